"""Users, roles and permissions with the client of MLflow's basic-auth app, as it is."""

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.server.auth.client import AuthServiceClient

PASSWORD, OTHER = "correct horse battery", "another long password"


@pytest.fixture
def as_admin(server, monkeypatch):
    for name, value in server.client_environment().items():
        monkeypatch.setenv(name, value)
    mlflow.set_tracking_uri(server.url)
    return AuthServiceClient(server.url)


@pytest.fixture
def log_in(server, monkeypatch):
    """Turns the environment into that of a user with a password."""

    def log_in(name, password=PASSWORD):
        monkeypatch.delenv("MLFLOW_TRACKING_TOKEN", raising=False)
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", name)
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", password)

    return log_in


def refusal(call, *arguments, **named):
    with pytest.raises(MlflowException) as refused:
        call(*arguments, **named)
    return refused.value


def test_users_are_made_read_promoted_and_deleted(as_admin, log_in):
    made = as_admin.create_user("ada", PASSWORD)
    assert (made.username, made.is_admin, made.password_hash) == ("ada", False, "REDACTED")
    assert as_admin.get_user("ada").id == made.id
    again = refusal(as_admin.create_user, "ada", PASSWORD)
    assert again.error_code == "RESOURCE_ALREADY_EXISTS"
    assert "User (username=ada) already exists." in str(again)
    assert refusal(as_admin.create_user, "bob", "short").error_code == "INVALID_PARAMETER_VALUE"
    assert refusal(as_admin.get_user, "bob").error_code == "RESOURCE_DOES_NOT_EXIST"
    assert as_admin.get_user("admin").is_admin
    as_admin.update_user_admin("ada", True)
    assert as_admin.get_user("ada").is_admin
    assert refusal(as_admin.update_user_admin, "nobody", True).error_code == "RESOURCE_DOES_NOT_EXIST"
    log_in("ada")
    as_admin.create_user("eve", PASSWORD)  # an administrator may
    assert refusal(as_admin.delete_user, "ada").error_code == "BAD_REQUEST"
    as_admin.delete_user("eve")
    assert refusal(as_admin.get_user, "eve").error_code == "RESOURCE_DOES_NOT_EXIST"
    log_in("eve")
    assert refusal(as_admin.get_user, "eve").error_code == "UNAUTHENTICATED"


def test_the_last_administrator_stays_one(as_admin):
    refused = refusal(as_admin.update_user_admin, "admin", False)
    assert "last owner" in str(refused)
    assert as_admin.get_user("admin").is_admin


def test_passwords_are_changed_by_those_who_know_them_or_may(as_admin, log_in):
    as_admin.create_user("ada", PASSWORD)
    as_admin.create_user("bob", PASSWORD)
    log_in("ada")
    assert "is required" in str(refusal(as_admin.update_user_password, "ada", OTHER))
    assert "does not match" in str(refusal(as_admin.update_user_password, "ada", OTHER, "wrong"))
    assert "must differ" in str(refusal(as_admin.update_user_password, "ada", PASSWORD, PASSWORD))
    assert refusal(as_admin.update_user_password, "bob", OTHER).error_code == "PERMISSION_DENIED"
    as_admin.update_user_password("ada", OTHER, PASSWORD)
    assert refusal(as_admin.get_user, "ada").error_code == "UNAUTHENTICATED"
    log_in("ada", OTHER)
    assert as_admin.get_user("ada").username == "ada"


def test_a_user_without_rights_manages_nobody(as_admin, log_in):
    as_admin.create_user("ada", PASSWORD)
    log_in("ada")
    for call, *arguments in [
        (as_admin.create_user, "eve", PASSWORD),
        (as_admin.get_user, "admin"),
        (as_admin.update_user_admin, "ada", True),
        (as_admin.delete_user, "admin"),
        (as_admin.list_user_roles, "admin"),
    ]:
        assert refusal(call, *arguments).error_code == "PERMISSION_DENIED", call
    refused = refusal(as_admin.grant_user_permission, "ada", "workspace", "default", "MANAGE")
    assert refused.error_code in ("PERMISSION_DENIED", "RESOURCE_DOES_NOT_EXIST")
    assert as_admin.list_user_roles("ada") == []


def test_permissions_on_a_workspace_are_roles(server, as_admin, log_in, monkeypatch):
    as_admin.create_user("ada", PASSWORD)
    found = as_admin.get_user_permission("ada", "workspace", "default")
    assert (found.allowed, found.permission) == (False, "NO_PERMISSIONS")
    for asked, role in [("READ", "Reader"), ("EDIT", "AzureML Data Scientist"), ("MANAGE", "Owner")]:
        as_admin.grant_user_permission("ada", "workspace", "default", asked)
        assert as_admin.get_user_permission("ada", "workspace", "*").permission == asked
        assert as_admin.get_user_permission("ada", "experiment", "0").permission == asked
        assert [held.name for held in as_admin.list_user_roles("ada")] == [role]
    as_admin.grant_user_permission("ada", "workspace", "default", "READ")
    log_in("ada")
    client = MlflowClient()
    assert client.search_experiments()
    assert refusal(client.create_experiment, "mine").error_code == "PERMISSION_DENIED"
    for name, value in server.client_environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("MLFLOW_TRACKING_USERNAME")
    monkeypatch.delenv("MLFLOW_TRACKING_PASSWORD")
    as_admin.revoke_user_permission("ada", "workspace", "default")
    assert as_admin.list_user_roles("ada") == []


def test_what_cannot_be_mapped_says_so(as_admin):
    as_admin.create_user("ada", PASSWORD)
    for call, *arguments in [
        (as_admin.grant_user_permission, "ada", "experiment", "0", "READ"),
        (as_admin.grant_user_permission, "ada", "registered_model", "iris", "EDIT"),
        (as_admin.revoke_user_permission, "ada", "experiment", "0"),
        (as_admin.grant_user_permission, "ada", "workspace", "default", "DENY"),
        (as_admin.create_role, "default", "mine"),
        (as_admin.add_role_permission, 1, "experiment", "*", "READ"),
        (as_admin.delete_role, 1),
    ]:
        refused = refusal(call, *arguments)
        assert refused.error_code == "NOT_IMPLEMENTED", (call, refused)
    assert refusal(as_admin.grant_user_permission, "ada", "dog", "1", "READ").error_code == "INVALID_PARAMETER_VALUE"
    assert refusal(as_admin.grant_user_permission, "ada", "workspace", "default", "BARK").error_code == "INVALID_PARAMETER_VALUE"


def test_built_in_roles_are_listed_and_assigned(as_admin):
    as_admin.create_user("ada", PASSWORD)
    roles = {role.name: role for role in as_admin.list_roles("default")}
    reader = roles["Reader"]
    assert reader.workspace == "default"
    assert [p.permission for p in reader.permissions] == ["READ"]
    assert as_admin.get_role(reader.id).name == "Reader"
    assert [p.permission for p in as_admin.list_role_permissions(reader.id)] == ["READ"]
    given = as_admin.assign_role("ada", reader.id)
    assert given.user_id == as_admin.get_user("ada").id
    assert [held.user_id for held in as_admin.list_role_users(reader.id)] == [given.user_id]
    as_admin.unassign_role("ada", reader.id)
    assert as_admin.list_role_users(reader.id) == []
    assert refusal(as_admin.unassign_role, "ada", reader.id).error_code == "RESOURCE_DOES_NOT_EXIST"
    assert refusal(as_admin.get_role, 7).error_code == "RESOURCE_DOES_NOT_EXIST"
    assert {role.name for role in as_admin.list_all_roles()} == set(roles)
