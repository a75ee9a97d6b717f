//! The routes that every kind of asset has, written once: making, listing, showing, changing, archiving, restoring.
//!
//! A kind's file (`data.rs`, `environments.rs`, `code.rs`) declares its types and calls [`asset_routes!`], which writes its
//! `add_routes`, its handlers with their descriptions, and the page type of its lists. The words go into the description of the
//! interface. The type that is made has the fields `name` and `version` and a method `read` that gives what the core wants.

/// Writes the routes of one kind of asset. See the module.
macro_rules! asset_routes {
    (
        kind: $kind:expr, collection: $collection:literal, id: $id:literal, one: $one:literal, many: $many:literal,
        made_as: $made_as:literal,
        view: $view:ident,
        $(#[$list_doc:meta])* list: $list:ident,
        new: $new:ident => $create_in_core:ident,
    ) => {
        use axum::extract::State;
        use axum::http::StatusCode;
        use utoipa_axum::routes;

        use crate::AppState;
        use crate::auth::Authenticated;
        use crate::rest::assets::{self, AssetNameView, AssetQuery, UpdateAsset, VersionQuery};
        use crate::rest::errors::{ProblemDetails, RestResult};
        use crate::rest::extract::{IfMatch, Json, Path, Query, Tagged};
        use crate::routing::{Permission, Routes};

        const KIND: lazuli_spec::assets::AssetKind = $kind;

        $(#[$list_doc])*
        #[derive(Debug, serde::Serialize, utoipa::ToSchema)]
        pub struct $list {
            items: Vec<$view>,
            #[serde(skip_serializing_if = "Option::is_none")]
            next_page_token: Option<String>,
        }

        impl From<lazuli_spec::Page<lazuli_spec::assets::Asset>> for $list {
            fn from(page: lazuli_spec::Page<lazuli_spec::assets::Asset>) -> Self {
                let page = page.map($view::from);
                Self { items: page.items, next_page_token: page.next_page_token }
            }
        }

        /// The routes of this noun.
        pub(crate) fn add_routes(routes: &mut Routes) {
            let read = Permission::Workspace(KIND.read_action());
            let write = Permission::Workspace(KIND.write_action());
            routes.rest(read, routes!(list));
            routes.rest(write, routes!(create));
            routes.rest(read, routes!(get_newest));
            routes.rest(read, routes!(list_versions));
            routes.rest(write, routes!(put));
            routes.rest(read, routes!(get));
            routes.rest(read, routes!(get_labelled));
            routes.rest(write, routes!(update));
            routes.rest(write, routes!(archive_version));
            routes.rest(write, routes!(restore_version));
            routes.rest(write, routes!(archive));
            routes.rest(write, routes!(restore));
        }

        #[utoipa::path(post, path = concat!("/api/v1/workspaces/{workspace}/", $collection), tag = $collection,
            operation_id = concat!("create_", $id),
            summary = concat!("Makes a version of ", $made_as, ". The same version with the same content is answered with 200, with other content with 409."),
            params(("workspace" = String, Path)), request_body = $new,
            responses((status = 201, body = $view), (status = 200, body = $view), (status = "4XX", body = ProblemDetails)))]
        async fn create(
            State(app): State<AppState>,
            Authenticated(caller): Authenticated,
            Path(workspace): Path<String>,
            Json(body): Json<$new>,
        ) -> RestResult<(StatusCode, Tagged<$view>)> {
            let made = app.core.$create_in_core(&caller, &workspace, body.read()?).await?;
            Ok(assets::made(made))
        }

        #[utoipa::path(put, path = concat!("/api/v1/workspaces/{workspace}/", $collection, "/{name}/versions/{version}"), tag = $collection,
            operation_id = concat!("put_", $id), summary = "Makes the version that the path names.",
            params(("workspace" = String, Path), ("name" = String, Path), ("version" = String, Path)), request_body = $new,
            responses((status = 201, body = $view), (status = 200, body = $view), (status = "4XX", body = ProblemDetails)))]
        async fn put(
            State(app): State<AppState>,
            Authenticated(caller): Authenticated,
            Path((workspace, name, version)): Path<(String, String, String)>,
            Json(mut body): Json<$new>,
        ) -> RestResult<(StatusCode, Tagged<$view>)> {
            body.name = Some(assets::agreed("name", body.name, name)?);
            body.version = Some(assets::agreed("version", body.version, version)?);
            let made = app.core.$create_in_core(&caller, &workspace, body.read()?).await?;
            Ok(assets::made(made))
        }

        #[utoipa::path(get, path = concat!("/api/v1/workspaces/{workspace}/", $collection), tag = $collection,
            operation_id = concat!("list_", $collection), summary = concat!($many, " by name, each with its newest version."),
            params(("workspace" = String, Path), AssetQuery),
            responses((status = 200, body = $list), (status = "4XX", body = ProblemDetails)))]
        async fn list(
            State(app): State<AppState>,
            Authenticated(caller): Authenticated,
            Path(workspace): Path<String>,
            Query(query): Query<AssetQuery>,
        ) -> RestResult<Json<$list>> {
            let (filter, page) = query.read()?;
            let page = app.core.list_assets(&caller, &workspace, KIND, filter, page).await?;
            Ok(Json(page.into()))
        }

        #[utoipa::path(get, path = concat!("/api/v1/workspaces/{workspace}/", $collection, "/{name}"), tag = $collection,
            operation_id = concat!("get_newest_", $id), summary = concat!("The version of ", $one, " that was made last and is not archived."),
            params(("workspace" = String, Path), ("name" = String, Path)),
            responses((status = 200, body = $view), (status = "4XX", body = ProblemDetails)))]
        async fn get_newest(
            State(app): State<AppState>,
            Authenticated(caller): Authenticated,
            Path((workspace, name)): Path<(String, String)>,
        ) -> RestResult<Tagged<$view>> {
            let found = app.core.get_asset(&caller, &workspace, KIND, &name, lazuli_core::assets::LATEST).await?;
            Ok(assets::tagged(found))
        }

        #[utoipa::path(get, path = concat!("/api/v1/workspaces/{workspace}/", $collection, "/{name}/versions"), tag = $collection,
            operation_id = concat!("list_", $id, "_versions"), summary = concat!("The versions of ", $one, ", the newest first."),
            params(("workspace" = String, Path), ("name" = String, Path), VersionQuery),
            responses((status = 200, body = $list), (status = "4XX", body = ProblemDetails)))]
        async fn list_versions(
            State(app): State<AppState>,
            Authenticated(caller): Authenticated,
            Path((workspace, name)): Path<(String, String)>,
            Query(query): Query<VersionQuery>,
        ) -> RestResult<Json<$list>> {
            let (view, page) = query.read()?;
            let page = app.core.list_asset_versions(&caller, &workspace, KIND, &name, view, page).await?;
            Ok(Json(page.into()))
        }

        #[utoipa::path(get, path = concat!("/api/v1/workspaces/{workspace}/", $collection, "/{name}/versions/{version}"), tag = $collection,
            operation_id = concat!("get_", $id), summary = "One version; `latest` stands for the one made last that is not archived.",
            params(("workspace" = String, Path), ("name" = String, Path), ("version" = String, Path)),
            responses((status = 200, body = $view), (status = "4XX", body = ProblemDetails)))]
        async fn get(
            State(app): State<AppState>,
            Authenticated(caller): Authenticated,
            Path((workspace, name, version)): Path<(String, String, String)>,
        ) -> RestResult<Tagged<$view>> {
            let found = app.core.get_asset(&caller, &workspace, KIND, &name, &version).await?;
            Ok(assets::tagged(found))
        }

        #[utoipa::path(get, path = concat!("/api/v1/workspaces/{workspace}/", $collection, "/{name}/labels/{label}"), tag = $collection,
            operation_id = concat!("get_labelled_", $id),
            summary = "The version that a label stands for; the one label there is is `latest`.",
            params(("workspace" = String, Path), ("name" = String, Path), ("label" = String, Path)),
            responses((status = 200, body = $view), (status = "4XX", body = ProblemDetails)))]
        async fn get_labelled(
            State(app): State<AppState>,
            Authenticated(caller): Authenticated,
            Path((workspace, name, label)): Path<(String, String, String)>,
        ) -> RestResult<Tagged<$view>> {
            let found = app.core.get_labelled_asset(&caller, &workspace, KIND, &name, &label).await?;
            Ok(assets::tagged(found))
        }

        #[utoipa::path(patch, path = concat!("/api/v1/workspaces/{workspace}/", $collection, "/{name}/versions/{version}"), tag = $collection,
            operation_id = concat!("update_", $id),
            summary = "Changes a version's description, tags or properties. Its content never changes.",
            params(("workspace" = String, Path), ("name" = String, Path), ("version" = String, Path), ("If-Match" = Option<String>, Header)),
            request_body = UpdateAsset, responses((status = 200, body = $view), (status = "4XX", body = ProblemDetails)))]
        async fn update(
            State(app): State<AppState>,
            Authenticated(caller): Authenticated,
            Path((workspace, name, version)): Path<(String, String, String)>,
            IfMatch(etag): IfMatch,
            Json(body): Json<UpdateAsset>,
        ) -> RestResult<Tagged<$view>> {
            let named = (name.as_str(), version.as_str());
            let changed = app.core.update_asset(&caller, &workspace, KIND, named, body.into(), etag).await?;
            Ok(assets::tagged(changed))
        }

        #[utoipa::path(post, path = concat!("/api/v1/workspaces/{workspace}/", $collection, "/{name}/versions/{version}/archive"), tag = $collection,
            operation_id = concat!("archive_", $id, "_version"),
            summary = "Archives one version. It goes on working for whoever names it.",
            params(("workspace" = String, Path), ("name" = String, Path), ("version" = String, Path)),
            responses((status = 200, body = $view), (status = "4XX", body = ProblemDetails)))]
        async fn archive_version(
            State(app): State<AppState>,
            Authenticated(caller): Authenticated,
            Path((workspace, name, version)): Path<(String, String, String)>,
        ) -> RestResult<Tagged<$view>> {
            let named = (name.as_str(), version.as_str());
            let changed = app.core.archive_asset(&caller, &workspace, KIND, named, true).await?;
            Ok(assets::tagged(changed))
        }

        #[utoipa::path(post, path = concat!("/api/v1/workspaces/{workspace}/", $collection, "/{name}/versions/{version}/restore"), tag = $collection,
            operation_id = concat!("restore_", $id, "_version"), summary = "Restores one version. Lists show it again.",
            params(("workspace" = String, Path), ("name" = String, Path), ("version" = String, Path)),
            responses((status = 200, body = $view), (status = "4XX", body = ProblemDetails)))]
        async fn restore_version(
            State(app): State<AppState>,
            Authenticated(caller): Authenticated,
            Path((workspace, name, version)): Path<(String, String, String)>,
        ) -> RestResult<Tagged<$view>> {
            let named = (name.as_str(), version.as_str());
            let changed = app.core.archive_asset(&caller, &workspace, KIND, named, false).await?;
            Ok(assets::tagged(changed))
        }

        #[utoipa::path(post, path = concat!("/api/v1/workspaces/{workspace}/", $collection, "/{name}/archive"), tag = $collection,
            operation_id = concat!("archive_", $id), summary = "Archives a whole name, with all its versions.",
            params(("workspace" = String, Path), ("name" = String, Path)),
            responses((status = 200, body = AssetNameView), (status = "4XX", body = ProblemDetails)))]
        async fn archive(
            State(app): State<AppState>,
            Authenticated(caller): Authenticated,
            Path((workspace, name)): Path<(String, String)>,
        ) -> RestResult<Json<AssetNameView>> {
            app.core.archive_asset_name(&caller, &workspace, KIND, &name, true).await?;
            Ok(Json(AssetNameView::new(name, true)))
        }

        #[utoipa::path(post, path = concat!("/api/v1/workspaces/{workspace}/", $collection, "/{name}/restore"), tag = $collection,
            operation_id = concat!("restore_", $id), summary = "Restores a whole name, with all its versions.",
            params(("workspace" = String, Path), ("name" = String, Path)),
            responses((status = 200, body = AssetNameView), (status = "4XX", body = ProblemDetails)))]
        async fn restore(
            State(app): State<AppState>,
            Authenticated(caller): Authenticated,
            Path((workspace, name)): Path<(String, String)>,
        ) -> RestResult<Json<AssetNameView>> {
            app.core.archive_asset_name(&caller, &workspace, KIND, &name, false).await?;
            Ok(Json(AssetNameView::new(name, false)))
        }
    };
}

pub(crate) use asset_routes;
