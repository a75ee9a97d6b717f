//! Uploads in parts: `mlflow-artifacts/mpu/*`. The client is given an address of ours for each part, sends them side by side, and
//! names the etags that came back.

use axum::http::Method;
use axum::response::{IntoResponse, Json, Response};
use lazuli_core::uploads::MAX_PARTS;
use lazuli_spec::Action;
use serde_json::{Value, json};

use super::errors::{MlflowResult, Path};
use super::experiments::Empty;
use super::json::{Message, invalid};
use super::{Call, Paths};
use crate::address::Address;
use crate::routing::{Permission, Routes};

pub(crate) fn add_routes(routes: &mut Routes) {
    let write = Permission::Workspace(Action::RunsWrite);
    let mut paths = Paths::below(routes, "2.0/mlflow-artifacts/mpu/");
    paths.add(Method::POST, "create/{*path}", write, create);
    paths.add(Method::POST, "complete/{*path}", write, complete);
    paths.add(Method::POST, "abort/{*path}", write, abort);
}

async fn create(
    Path(folder): Path<String>,
    address: Address,
    call: Call,
) -> MlflowResult<Response> {
    let path = target(&folder, &call.fields)?;
    let parts = call.fields.int("num_parts")?.unwrap_or_default();
    let parts = u32::try_from(parts)
        .ok()
        .filter(|&parts| parts <= MAX_PARTS);
    let parts = parts.ok_or_else(|| {
        invalid(format!(
            "num_parts must be from 0 to {MAX_PARTS}: use larger parts"
        ))
    })?;
    let upload = call
        .core
        .create_upload(&call.caller, &call.workspace, &path, parts)
        .await?;
    let credentials = (1..).zip(&upload.urls).map(|(number, url): (u32, _)| {
        json!({ "url": address.of(url), "part_number": number, "headers": {} })
    });
    let credentials: Vec<Value> = credentials.collect();
    let answer = json!({ "upload_id": upload.id, "credentials": credentials });
    Ok(Json(answer).into_response())
}

async fn complete(Path(folder): Path<String>, call: Call) -> MlflowResult<Json<Empty>> {
    let path = target(&folder, &call.fields)?;
    let named = (&*path, call.fields.required("upload_id")?);
    let parts = parts(&call.fields)?;
    call.core
        .complete_upload(&call.caller, &call.workspace, named, &parts)
        .await?;
    Ok(Json(Empty {}))
}

async fn abort(Path(folder): Path<String>, call: Call) -> MlflowResult<Json<Empty>> {
    let path = target(&folder, &call.fields)?;
    let id = call.fields.required("upload_id")?;
    call.core
        .abort_upload(&call.caller, &call.workspace, &path, id)
        .await?;
    Ok(Json(Empty {}))
}

/// The file's path: the folder is in the address, the name is the end of the path on the client's own disk.
fn target(folder: &str, fields: &Message) -> MlflowResult<String> {
    let on_disk = fields.required("path")?;
    // a drive's letter or a share: there folders are separated by backslashes
    let windows = on_disk.get(1..3) == Some(":\\") || on_disk.starts_with("\\\\");
    let name = on_disk
        .rsplit(|c| c == '/' || (windows && c == '\\'))
        .next()
        .unwrap_or_default();
    if matches!(name, "" | "." | "..") {
        return Err(invalid("Invalid path"));
    }
    Ok(format!("{}/{name}", folder.trim_end_matches('/')))
}

/// Numbers with etags, as they came: in quotes or not.
fn parts(fields: &Message) -> MlflowResult<Vec<(u32, Option<String>)>> {
    let wrong = || invalid("parts must be a list of objects with part_number and etag");
    let listed = match fields.get("parts") {
        None => return Err(super::json::missing("parts")),
        Some(Value::Array(listed)) => listed,
        Some(_) => return Err(wrong()),
    };
    let one = |part: &Value| {
        let number = part.get("part_number")?;
        let number = number.as_u64().or_else(|| number.as_str()?.parse().ok())?;
        let etag = match part.get("etag") {
            None | Some(Value::Null) => None,
            Some(Value::String(etag)) => Some(etag.trim_start_matches("W/").trim_matches('"')),
            Some(_) => return None,
        };
        let etag = etag.filter(|etag| !etag.is_empty()).map(ToOwned::to_owned);
        Some((u32::try_from(number).ok()?, etag))
    };
    listed
        .iter()
        .map(|part| one(part).ok_or_else(wrong))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(body: &Value) -> Message {
        Message::from_json(body.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn the_name_is_the_end_of_the_clients_path() {
        for (on_disk, name) in [
            ("/tmp/x/big file.bin", "big file.bin"),
            ("big.bin", "big.bin"),
            (r"C:\data\big.bin", "big.bin"),
            (r"\\share\data\big.bin", "big.bin"),
            (r"/tmp/back\slash", r"back\slash"),
        ] {
            let path = target("0/r/artifacts/", &message(&json!({ "path": on_disk }))).unwrap();
            assert_eq!(path, format!("0/r/artifacts/{name}"));
        }
        for on_disk in ["", "/tmp/", "a/..", "."] {
            assert!(target("f", &message(&json!({ "path": on_disk }))).is_err());
        }
    }

    #[test]
    fn etags_come_with_or_without_quotes() {
        let read = |listed: Value| parts(&message(&json!({ "parts": listed })));
        let listed = json!([
            { "part_number": 2, "etag": "\"b\"", "url": "http://x" },
            { "part_number": "1", "etag": "a" },
            { "part_number": 3, "etag": null },
        ]);
        let expected = [
            (2, Some("b".to_owned())),
            (1, Some("a".to_owned())),
            (3, None),
        ];
        assert_eq!(read(listed).unwrap(), expected);
        assert_eq!(read(json!([])).unwrap(), []);
        for wrong in [
            json!({}),
            json!("x"),
            json!([1]),
            json!([{ "etag": "a" }]),
            json!([{ "part_number": -1, "etag": "a" }]),
            json!([{ "part_number": 1, "etag": 5 }]),
            json!(null),
        ] {
            assert!(read(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
