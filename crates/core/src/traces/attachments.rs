//! The files of a trace, below its experiment's: attachments, and the spans of clients that write them to a file.

use lazuli_spec::traces::TAG_ARTIFACTS;
use lazuli_spec::{Action, ErrorCode};

use super::load;
use crate::models::proxied_path;
use crate::{Caller, Core, Error, Result};

/// The file in which some clients put the spans.
const SPANS: &str = "traces.json";

impl Core {
    /// Where a trace's attachment lies in the proxy's paths, or the file with its spans when none is named.
    pub async fn trace_file_path(
        &self,
        caller: &Caller,
        workspace: &str,
        trace_id: &str,
        attachment: Option<&str>,
    ) -> Result<String> {
        if let Some(path) = attachment
            && !is_uuid(path)
        {
            let message =
                format!("Invalid attachment path: '{path}'. Attachment path must be a valid UUID.");
            return Err(Error::new(ErrorCode::InvalidArgument, message));
        }
        let access = self.access(caller, workspace, Action::TracesRead).await?;
        let (workspace_id, wanted) = (access.workspace_id().to_owned(), trace_id.to_owned());
        let info = access
            .read(move |tx| Ok(load(tx, &workspace_id, &wanted)?.info))
            .await?;
        let location = info.tag(TAG_ARTIFACTS).unwrap_or_default();
        let root = proxied_path(location).ok_or_else(|| {
            let message = format!("the trace's files are at `{location}`, not on this server");
            Error::new(ErrorCode::Unsupported, message)
        })?;
        Ok(match attachment {
            Some(path) => format!("{root}/attachments/{path}"),
            None => format!("{root}/{SPANS}"),
        })
    }
}

/// A UUID in its usual form.
fn is_uuid(text: &str) -> bool {
    let dashes = [8, 13, 18, 23];
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| {
            if dashes.contains(&at) {
                byte == b'-'
            } else {
                byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)
            }
        })
}
