//! Registered models and environments, as deployments use them.

use lazuli_spec::deployments::Binding;
use lazuli_spec::references::Version;

use crate::{Access, Caller, Core, Error, Result};

pub(super) async fn bind(
    _core: &Core,
    _caller: &Caller,
    _access: &Access,
    name: &str,
    _version: &Version,
) -> Result<Binding> {
    Err(Error::not_found("model", name))
}

pub(super) async fn environment(
    _core: &Core,
    _caller: &Caller,
    _access: &Access,
    text: &str,
    binding: &mut Binding,
) -> Result<()> {
    binding.image = Some(text.to_owned());
    Ok(())
}
