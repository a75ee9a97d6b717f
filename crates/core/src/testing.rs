//! A whole core for tests: a scratch database, storage in memory, a clock that moves when told, ids that repeat.

use std::sync::Arc;

use lazuli_blob::{Blobs, Signer};
use lazuli_spec::principals::PrincipalKind;
use lazuli_spec::{ActionSet, ManualClock, SeededIds, Timestamp};
use lazuli_store::Store;
use lazuli_store::testing::Scratch;
use tempfile::TempDir;

use crate::principals::NewPrincipal;
use crate::{Caller, Core, Parts, RequestContext};

/// The moment at which every test begins: 2026-01-31T12:00:00Z.
pub const START: Timestamp = Timestamp(1_769_860_800_000_000);

/// A core and what it stands on; dropped with its folders.
pub struct TestCore {
    /// The product under test.
    pub core: Core,
    /// Its clock.
    pub clock: Arc<ManualClock>,
    /// The administrator's token text.
    pub admin_token: String,
    /// The administrator.
    pub admin: Caller,
    _scratch: Option<Scratch>,
    _home: TempDir,
}

impl TestCore {
    /// On SQLite.
    pub async fn start() -> Self {
        let scratch = Scratch::sqlite();
        let store = scratch.open().await;
        Self::build(store, Some(scratch)).await
    }

    /// Over a given store: with `each_backend`, on both back ends.
    pub async fn over(store: Store) -> Self {
        Self::build(store, None).await
    }

    async fn build(store: Store, scratch: Option<Scratch>) -> Self {
        let home = tempfile::tempdir().expect("a temporary folder");
        let clock = Arc::new(ManualClock::at(START));
        let core = Core::new(Parts {
            store,
            blobs: Blobs::in_memory(),
            sealer: crate::sealing::Sealer::new([9; 32]),
            signer: Signer::new(&[7; 32]),
            clock: Arc::<ManualClock>::clone(&clock),
            ids: Arc::new(SeededIds::new(7)),
            home: home.path().to_owned(),
        });
        let token = core.bootstrap().await.expect("a first start");
        let admin_token = token.expect("a first start makes a token").reveal();
        let admin = login(&core, &admin_token).await;
        Self {
            core,
            clock,
            admin_token,
            admin,
            _scratch: scratch,
            _home: home,
        }
    }

    /// A new user with a role in a workspace (or without any), and a token of it.
    pub async fn user(&self, name: &str, role: Option<(&str, &str)>) -> (Caller, String) {
        let new = NewPrincipal {
            name: name.to_owned(),
            kind: PrincipalKind::User,
            display_name: None,
        };
        let made = self.core.create_principal(&self.admin, new).await;
        made.expect("a new user");
        if let Some((workspace, role)) = role {
            let given = self
                .core
                .assign_role(&self.admin, Some(workspace), name, role)
                .await;
            given.expect("a role");
        }
        let token = self.token(name, &["*"]).await;
        (login(&self.core, &token).await, token)
    }

    /// A token of somebody, limited to some action patterns.
    pub async fn token(&self, principal: &str, scopes: &[&str]) -> String {
        let new = crate::tokens::NewToken {
            name: "test".to_owned(),
            scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
            lifetime: None,
            principal: Some(principal.to_owned()),
        };
        let made = self.core.create_token(&self.admin, new).await;
        made.expect("a token").1.reveal()
    }

    /// All that a caller may do in the default workspace.
    pub fn rights(caller: &Caller) -> ActionSet {
        caller.allowed_in(lazuli_spec::workspaces::DEFAULT)
    }
}

/// The caller a token stands for.
pub async fn login(core: &Core, token: &str) -> Caller {
    let credentials = crate::authentication::Credentials::Bearer(token.to_owned());
    let context = RequestContext {
        request_id: "test-request".to_owned(),
        address: "127.0.0.1".to_owned(),
    };
    let caller = core.authenticate(credentials, context).await;
    caller.expect("valid credentials")
}
