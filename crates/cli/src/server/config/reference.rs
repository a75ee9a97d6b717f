//! The reference page `docs/reference/configuration.md`, written from the table.

use std::fmt::Write as _;

use super::table::SETTINGS;

const INTRODUCTION: &str = "\
# Configuration

<!-- Generated from the table in crates/cli/src/server/config/table.rs; `make reference` writes it again. -->

The server reads its settings from four places. A later one wins over an earlier one:

1. the defaults below;
2. the file: `--config FILE`, else `LAZULI_CONFIG`, else `<home>/config.toml` if it exists;
3. environment variables;
4. flags of `lazuli up`.

The file is TOML; a dot in a key is a TOML table, so `limits.connections` may be written

```toml
port = 7878
host = [\"0.0.0.0\", \"ml.example.org\"]

[limits]
connections = 2048
```

A key that no setting has is an error that names the line and the nearest setting. `lazuli config check` checks everything without
starting; `lazuli config show` prints every value with the place it came from, secrets left out.

| key | environment | flag | value | default | meaning |
| --- | --- | --- | --- | --- | --- |
";

/// The whole page.
pub(crate) fn page() -> String {
    let mut page = INTRODUCTION.to_owned();
    for setting in SETTINGS {
        let default = if setting.default.is_empty() {
            "none".to_owned()
        } else {
            format!("`{}`", setting.default)
        };
        let _ = writeln!(
            page,
            "| `{}` | `{}` | `--{}` | {} | {default} | {} |",
            setting.key,
            setting.env(),
            setting.flag(),
            setting.kind.describe(),
            setting.meaning.replace('|', "\\|"),
        );
    }
    page
}
