//! The audit trail, read and verified.

use lazuli_spec::audit::{AuditRecord, Break, Verifier};
use lazuli_spec::{Action, Page, PageRequest};
use lazuli_store::audit;
pub use lazuli_store::audit::AuditFilter;
use serde::Serialize;

use crate::{Caller, Core, Error, Result};

/// How a verification ended.
#[derive(Clone, Debug, Serialize)]
pub struct Verification {
    /// Whether the whole trail is sound.
    pub sound: bool,
    /// How many records were found sound, counted from the first.
    pub checked: i64,
    /// The hash at the end: noted elsewhere, it proves later that nothing was rewritten.
    pub head: String,
    /// Where the trail breaks first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_break: Option<Break>,
}

/// Records read at once while verifying: memory stays flat however long the trail is.
const BATCH: u32 = 2_000;

impl Core {
    /// Records, newest first unless asked otherwise.
    pub async fn list_audit(
        &self,
        caller: &Caller,
        filter: AuditFilter,
        page: PageRequest,
    ) -> Result<Page<AuditRecord>> {
        let access = self.server_access(caller, Action::AuditRead).await?;
        let limit = page.limit_or(100, 1_000);
        let after = match page.page_token.as_deref() {
            None => None,
            Some(token) => Some(token.parse().map_err(|_| {
                Error::invalid("page_token", "this page token is not one of this list")
            })?),
        };
        let rows = access
            .read(move |tx| Ok(audit::list(tx, &filter, after, limit + 1)?))
            .await?;
        Ok(Page::from_rows(rows, limit, |record| {
            record.sequence.to_string()
        }))
    }

    /// Walks the whole trail and finds the first changed, missing or reordered record.
    pub async fn verify_audit(&self, caller: &Caller) -> Result<Verification> {
        let access = self.server_access(caller, Action::AuditRead).await?;
        // the end is read first: records that are added meanwhile lie behind it and are left for the next time
        let (last, head) = access.read(|tx| Ok(audit::head(tx)?)).await?;
        let mut verifier = Verifier::default();
        let mut first_break = None;
        'walk: loop {
            let after = verifier.checked();
            let rows = access
                .read(move |tx| Ok(audit::oldest(tx, after, BATCH)?))
                .await?;
            if rows.is_empty() {
                break;
            }
            for record in rows {
                if verifier.checked() >= last {
                    break 'walk;
                }
                if let Err(found) = verifier.check(&record) {
                    first_break = Some(found);
                    break 'walk;
                }
            }
        }
        let first_break = first_break.or_else(|| verifier.finish(last, &head).err());
        Ok(Verification {
            sound: first_break.is_none(),
            checked: verifier.checked(),
            head,
            first_break,
        })
    }
}
