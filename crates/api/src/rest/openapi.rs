//! The description of the native interface: what the routes give, plus what holds for all of them.

use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{ContactBuilder, InfoBuilder, LicenseBuilder, OpenApi, PathItem, RefOr};

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
    openapi.paths.paths = std::mem::take(&mut openapi.paths.paths)
        .into_iter()
        // the router's sign for "the rest of the path" is no part of a description
        .map(|(path, item)| (path.replace("{*", "{"), item))
        .collect();
    openapi.security = Some(vec![utoipa::openapi::security::SecurityRequirement::new(
        "token",
        Vec::<String>::new(),
    )]);
    openapi
        .paths
        .paths
        .values_mut()
        .flat_map(operations)
        .for_each(name_problems);
    openapi
}

fn operations(path: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let verbs = [
        &mut path.get,
        &mut path.put,
        &mut path.post,
        &mut path.delete,
        &mut path.patch,
    ];
    verbs.into_iter().filter_map(Option::as_mut)
}

/// Errors are sent as problem details, whatever type the macro writes beside their schema.
fn name_problems(operation: &mut Operation) {
    for (status, response) in &mut operation.responses.responses {
        let RefOr::T(response) = response else {
            continue;
        };
        if status.starts_with(['4', '5'])
            && let Some(problem) = response.content.shift_remove("application/json")
        {
            let kind = "application/problem+json".to_owned();
            response.content.insert(kind, problem);
        }
    }
}
