"""Settings: the file, the environment, the flags, and what is said about mistakes."""

import json


def test_check_accepts_the_defaults(lazuli, tmp_path):
    done = lazuli("config", "check", "--home", tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    assert "fine" in done.stderr


def test_mistakes_name_file_line_and_nearest_setting(lazuli, tmp_path):
    (tmp_path / "config.toml").write_text("port = 7000\n\n[limits]\nconections = 5\n")
    for command in [("config", "check"), ("up",)]:
        done = lazuli(*command, "--home", tmp_path)
        assert done.returncode == 2
        assert f"{tmp_path}/config.toml:4: no setting is called `limits.conections`" in done.stderr
        assert "did you mean `limits.connections`?" in done.stderr
    assert not (tmp_path / "lazuli.db").exists(), "nothing starts with a wrong setting"


def test_sources_win_in_the_documented_order(lazuli, tmp_path):
    file = tmp_path / "my.toml"
    file.write_text('port = 1\n[log]\nlevel = "warn"\n[limits]\nheaders = 7\n')
    done = lazuli(
        "config", "show", "--home", tmp_path, "--config", file, "--port", "3", "--output", "json", LAZULI_PORT="2", LAZULI_LIMITS_HEADERS="8"
    )
    shown = {row["key"]: (row["value"], row["from"]) for row in json.loads(done.stdout)}
    assert shown["port"] == ("3", "--port")
    assert shown["limits.headers"] == ("8", "LAZULI_LIMITS_HEADERS")
    assert shown["log.level"] == ("warn", f"{file}:3")
    assert shown["limits.streams"] == ("256", "default")


def test_secrets_are_not_shown(lazuli, tmp_path):
    done = lazuli("config", "show", "--home", tmp_path, LAZULI_DATABASE="postgres://ml:s3cret@db/lazuli")
    assert "s3cret" not in done.stdout + done.stderr
    assert "db/lazuli" in done.stdout


def test_database_that_cannot_be_reached_is_named_without_its_password(lazuli, tmp_path):
    done = lazuli("up", "--home", tmp_path, "--port", "0", "--database", "postgres://ml:s3cret@127.0.0.1:1/lazuli")
    assert done.returncode == 1
    assert "127.0.0.1:1" in done.stderr
    assert "s3cret" not in done.stderr


def test_missing_and_malformed_files(lazuli, tmp_path):
    missing = lazuli("config", "check", "--config", tmp_path / "none.toml")
    assert missing.returncode == 2 and "none.toml" in missing.stderr
    (tmp_path / "broken.toml").write_text("port = = 1\n")
    broken = lazuli("config", "check", "--config", tmp_path / "broken.toml")
    assert broken.returncode == 2 and "broken.toml:1:" in broken.stderr
