//! The description of the native interface: what the routes give, plus what holds for all of them.

use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{ContactBuilder, InfoBuilder, LicenseBuilder, OpenApi};

/// Adds title, licence and the way to authenticate.
pub(crate) fn complete(mut openapi: OpenApi) -> OpenApi {
    openapi.info = InfoBuilder::new()
        .title("Lazuli")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("The native interface of Lazuli. MLflow's and Azure's dialects are described by their own documentation."))
        .license(Some(LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build()))
        .contact(Some(ContactBuilder::new().name(Some("Lazuli")).build()))
        .build();
    let mut components = openapi.components.take().unwrap_or_default();
    let mut bearer = Http::new(HttpAuthScheme::Bearer);
    bearer.description = Some("A Lazuli token, `lzt_…`.".to_owned());
    components.add_security_scheme("token", SecurityScheme::Http(bearer));
    openapi.components = Some(components);
    openapi.security = Some(vec![utoipa::openapi::security::SecurityRequirement::new(
        "token",
        Vec::<String>::new(),
    )]);
    openapi
}
