//! Users as MLflow's clients know them: principals with a flag for administrators, and levels of permission that stand for roles
//! in a workspace.

use crate::actions::{Action, ActionSet};

/// A user of MLflow's interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The principal's id.
    pub id: String,
    /// The principal's name.
    pub username: String,
    /// Whether it is an owner of the server.
    pub is_admin: bool,
}

/// What somebody may do in a workspace, in MLflow's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// To see.
    Read,
    /// To work.
    Edit,
    /// All, also to say who may do what.
    Manage,
}

impl Level {
    /// Every level, from the least.
    pub const ALL: [Self; 3] = [Self::Read, Self::Edit, Self::Manage];

    /// MLflow's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "READ",
            Self::Edit => "EDIT",
            Self::Manage => "MANAGE",
        }
    }

    /// Reads the word. To use a workspace is to work in it.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "READ" => Some(Self::Read),
            "USE" | "EDIT" => Some(Self::Edit),
            "MANAGE" => Some(Self::Manage),
            _ => None,
        }
    }

    /// The built-in role that stands for it.
    pub const fn role(self) -> &'static str {
        match self {
            Self::Read => "Reader",
            Self::Edit => "AzureML Data Scientist",
            Self::Manage => "Owner",
        }
    }

    /// The level that a set of actions comes to; none when it does not even see runs.
    pub fn of(actions: ActionSet) -> Option<Self> {
        let least = [
            (Self::Manage, Action::RoleAssignmentsWrite),
            (Self::Edit, Action::RunsWrite),
            (Self::Read, Action::RunsRead),
        ];
        let reached = least.into_iter().find(|(_, a)| actions.contains(*a));
        reached.map(|(level, _)| level)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roles::built_in;

    #[test]
    fn each_level_is_what_its_role_comes_to() {
        for level in Level::ALL {
            let role = built_in()
                .into_iter()
                .find(|role| role.name == level.role())
                .unwrap();
            assert_eq!(Level::of(role.compile()), Some(level));
            assert_eq!(Level::parse(level.as_str()), Some(level));
        }
        assert_eq!(Level::parse("DENY"), None);
        assert_eq!(Level::of(ActionSet::EMPTY), None);
    }
}
