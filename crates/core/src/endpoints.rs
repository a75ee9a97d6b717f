//! Online endpoints: addresses with keys, and how their traffic is shared.

use std::collections::BTreeMap;

use lazuli_spec::endpoints::{
    self as words, Endpoint, EndpointKeys, EndpointSpec, KeyType, Traffic,
};
use lazuli_spec::lists::ListFilter;
use lazuli_spec::{Action, ErrorCode, IdSource, Page, PageRequest, Timestamp};
use lazuli_store::{Tx, deployments, endpoints};

use crate::lists::Listing;
use crate::{Access, Caller, Core, Error, Result};

/// What of an endpoint is to change. Absent fields stay.
#[derive(Clone, Debug, Default)]
pub struct EndpointChange {
    /// For people.
    pub description: Option<String>,
    /// They replace the ones there are.
    pub tags: Option<BTreeMap<String, String>>,
    /// For programs; they replace the ones there are.
    pub properties: Option<BTreeMap<String, String>>,
    /// The new shares.
    pub traffic: Option<Traffic>,
    /// The new mirror.
    pub mirror_traffic: Option<Traffic>,
}

/// Refuses a change based on an older reading.
pub(crate) fn check_etag(
    if_match: Option<Timestamp>,
    modified_at: Timestamp,
    what: &str,
) -> Result<()> {
    if if_match.is_none_or(|etag| etag == modified_at) {
        return Ok(());
    }
    Err(Error::new(
        ErrorCode::PreconditionFailed,
        format!("the {what} has changed since it was read; read it again"),
    ))
}

/// The endpoint, or the error that there is none.
pub(crate) fn find(tx: &mut Tx<'_>, workspace_id: &str, name: &str) -> Result<Endpoint> {
    endpoints::find(tx, workspace_id, name)?
        .ok_or_else(|| Error::not_found("online endpoint", name))
}

/// A moment later than the last change, so that every change has an etag of its own.
pub(crate) fn next_moment(now: Timestamp, last: Timestamp) -> Timestamp {
    Timestamp(now.0.max(last.0 + 1))
}

impl Core {
    /// Makes an endpoint, or replaces what the one of that name is to be. Its keys and address stay. Says whether it is new.
    pub async fn put_endpoint(
        &self,
        caller: &Caller,
        workspace: &str,
        spec: EndpointSpec,
        if_match: Option<Timestamp>,
    ) -> Result<(Endpoint, bool)> {
        let access = self
            .access(caller, workspace, Action::EndpointsWrite)
            .await?;
        let workspace_id = access.workspace_id().to_owned();
        let by = caller.principal_id().to_owned();
        let keys = new_keys(self.ids());
        access
            .write(
                format!("onlineEndpoints/{}", spec.name),
                move |tx, change| {
                    let Some(mut found) = endpoints::find(tx, &workspace_id, &spec.name)? else {
                        return insert(
                            tx,
                            Endpoint {
                                workspace_id,
                                spec,
                                created_at: change.now(),
                                created_by: by,
                                modified_at: change.now(),
                                revision: 1,
                            },
                            &keys,
                        );
                    };
                    check_etag(if_match, found.modified_at, "endpoint")?;
                    let mut spec = spec;
                    if spec.traffic.is_empty() {
                        // a document that says nothing of traffic does not take it away
                        spec.traffic.clone_from(&found.spec.traffic);
                    }
                    if spec == found.spec {
                        change.nothing();
                        return Ok((found, false));
                    }
                    check_shares(tx, &found, &spec)?;
                    found.spec = spec;
                    save(tx, &mut found, change.now())?;
                    Ok((found, false))
                },
            )
            .await
    }

    /// One endpoint.
    pub async fn get_endpoint(
        &self,
        caller: &Caller,
        workspace: &str,
        name: &str,
    ) -> Result<Endpoint> {
        let access = self
            .access(caller, workspace, Action::EndpointsRead)
            .await?;
        let (workspace_id, name) = (access.workspace_id().to_owned(), name.to_owned());
        access.read(move |tx| find(tx, &workspace_id, &name)).await
    }

    /// A page of a workspace's endpoints.
    pub async fn list_endpoints(
        &self,
        caller: &Caller,
        workspace: &str,
        filter: ListFilter,
        page: PageRequest,
    ) -> Result<Page<Endpoint>> {
        let access = self
            .access(caller, workspace, Action::EndpointsRead)
            .await?;
        let listing = Listing::read(&"endpoints", filter, &page)?;
        let (search, workspace_id) = (listing.search.clone(), access.workspace_id().to_owned());
        let rows = access
            .read(move |tx| Ok(endpoints::list(tx, &workspace_id, &search)?))
            .await?;
        Ok(listing.page(rows))
    }

    /// Changes an endpoint: shares of traffic, description, tags.
    pub async fn update_endpoint(
        &self,
        caller: &Caller,
        workspace: &str,
        name: &str,
        change: EndpointChange,
        if_match: Option<Timestamp>,
    ) -> Result<Endpoint> {
        let access = self
            .access(caller, workspace, Action::EndpointsWrite)
            .await?;
        let (workspace_id, name) = (access.workspace_id().to_owned(), name.to_owned());
        access
            .write(format!("onlineEndpoints/{name}"), move |tx, record| {
                let mut found = find(tx, &workspace_id, &name)?;
                check_etag(if_match, found.modified_at, "endpoint")?;
                let mut spec = found.spec.clone();
                spec.description = change.description.unwrap_or(spec.description);
                spec.tags = change.tags.unwrap_or(spec.tags);
                spec.properties = change.properties.unwrap_or(spec.properties);
                spec.traffic = change.traffic.unwrap_or(spec.traffic);
                spec.mirror_traffic = change.mirror_traffic.unwrap_or(spec.mirror_traffic);
                words::check_traffic(&spec.traffic)
                    .map_err(|words| Error::invalid("traffic", words))?;
                words::check_mirror(&spec.mirror_traffic)
                    .map_err(|words| Error::invalid("mirror_traffic", words))?;
                check_shares(tx, &found, &spec)?;
                found.spec = spec;
                save(tx, &mut found, record.now())?;
                Ok(found)
            })
            .await
    }

    /// Deletes an endpoint with its deployments; their processes end.
    pub async fn delete_endpoint(
        &self,
        caller: &Caller,
        workspace: &str,
        name: &str,
    ) -> Result<()> {
        let access = self
            .access(caller, workspace, Action::EndpointsDelete)
            .await?;
        let (workspace_id, name) = (access.workspace_id().to_owned(), name.to_owned());
        access
            .write(format!("onlineEndpoints/{name}"), move |tx, _| {
                find(tx, &workspace_id, &name)?;
                endpoints::delete(tx, &workspace_id, &name)?;
                Ok(())
            })
            .await
    }

    /// An endpoint's keys. Looking at them is recorded.
    pub async fn endpoint_keys(
        &self,
        caller: &Caller,
        workspace: &str,
        name: &str,
    ) -> Result<EndpointKeys> {
        let access = self
            .access(caller, workspace, Action::EndpointsListKeys)
            .await?;
        let keys = keys_of(&access, name).await?;
        access
            .record_read(format!("onlineEndpoints/{name}"))
            .await?;
        Ok(keys)
    }

    /// Replaces one of the keys; the old one stops working.
    pub async fn regenerate_endpoint_key(
        &self,
        caller: &Caller,
        workspace: &str,
        name: &str,
        which: KeyType,
    ) -> Result<EndpointKeys> {
        let access = self
            .access(caller, workspace, Action::EndpointsRegenerateKeys)
            .await?;
        let (workspace_id, name) = (access.workspace_id().to_owned(), name.to_owned());
        let fresh = self.ids().secret_hex();
        access
            .write(format!("onlineEndpoints/{name}"), move |tx, record| {
                let found = find(tx, &workspace_id, &name)?;
                let mut keys = endpoints::keys(tx, &workspace_id, &name)?
                    .ok_or_else(|| Error::not_found("online endpoint", &name))?;
                match which {
                    KeyType::Primary => keys.primary_key = fresh,
                    KeyType::Secondary => keys.secondary_key = fresh,
                }
                endpoints::set_keys(
                    tx,
                    &workspace_id,
                    &name,
                    &keys,
                    next_moment(record.now(), found.modified_at),
                )?;
                Ok(keys)
            })
            .await
    }
}

async fn keys_of(access: &Access, name: &str) -> Result<EndpointKeys> {
    let (workspace_id, name) = (access.workspace_id().to_owned(), name.to_owned());
    access
        .read(move |tx| {
            endpoints::keys(tx, &workspace_id, &name)?
                .ok_or_else(|| Error::not_found("online endpoint", &name))
        })
        .await
}

fn new_keys(ids: &dyn IdSource) -> EndpointKeys {
    EndpointKeys {
        primary_key: ids.secret_hex(),
        secondary_key: ids.secret_hex(),
    }
}

fn insert(tx: &mut Tx<'_>, endpoint: Endpoint, keys: &EndpointKeys) -> Result<(Endpoint, bool)> {
    if endpoints::name_taken(tx, &endpoint.spec.name)? {
        return Err(Error::already_exists("online endpoint", &endpoint.spec.name)
            .hint("endpoint names are unique on the whole server, as they are part of the scoring address; choose another"));
    }
    check_shares(tx, &endpoint, &endpoint.spec)?;
    endpoints::insert(tx, &endpoint, keys)?;
    Ok((endpoint, true))
}

fn save(tx: &mut Tx<'_>, endpoint: &mut Endpoint, now: Timestamp) -> Result<()> {
    endpoint.modified_at = next_moment(now, endpoint.modified_at);
    endpoint.revision += 1;
    Ok(endpoints::update(tx, endpoint)?)
}

/// Traffic can only go to deployments that exist. Those that no longer exist and get nothing are tolerated.
fn check_shares(tx: &mut Tx<'_>, endpoint: &Endpoint, spec: &EndpointSpec) -> Result<()> {
    for (field, shares) in [
        ("traffic", &spec.traffic),
        ("mirror_traffic", &spec.mirror_traffic),
    ] {
        for (name, share) in shares {
            if *share > 0
                && deployments::find(tx, &endpoint.workspace_id, &spec.name, name)?.is_none()
            {
                let message = format!(
                    "the endpoint `{}` has no deployment `{name}` that could take {share} percent",
                    spec.name
                );
                return Err(Error::invalid(field, message)
                    .hint("create the deployment first, then give it traffic"));
            }
        }
    }
    Ok(())
}
