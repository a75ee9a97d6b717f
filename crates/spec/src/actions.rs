//! Every permission there is, with the action string Azure gives it.
//!
//! A route declares one [`Action`]; a role is a pattern over action strings compiled to an [`ActionSet`], so that
//! a check is one bit test. Adding an action here is the only way to add a permission.

macro_rules! actions {
    ($($variant:ident = $text:literal;)*) => {
        /// Something a caller may or may not do.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Action {
            $(#[doc = $text] $variant,)*
        }

        impl Action {
            /// Every action, in declaration order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The full action string that role definitions match on.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

actions! {
    WorkspacesRead = "Microsoft.MachineLearningServices/workspaces/read";
    WorkspacesWrite = "Microsoft.MachineLearningServices/workspaces/write";
    WorkspacesDelete = "Microsoft.MachineLearningServices/workspaces/delete";
    ContentRead = "Microsoft.MachineLearningServices/workspaces/metadata/artifacts/read";
    ContentWrite = "Microsoft.MachineLearningServices/workspaces/metadata/artifacts/write";
    ContentDelete = "Microsoft.MachineLearningServices/workspaces/metadata/artifacts/delete";
    CodesRead = "Microsoft.MachineLearningServices/workspaces/metadata/codes/versions/read";
    CodesWrite = "Microsoft.MachineLearningServices/workspaces/metadata/codes/versions/write";
    DataRead = "Microsoft.MachineLearningServices/workspaces/data/versions/read";
    DataWrite = "Microsoft.MachineLearningServices/workspaces/data/versions/write";
    DataDelete = "Microsoft.MachineLearningServices/workspaces/data/versions/delete";
    EnvironmentsRead = "Microsoft.MachineLearningServices/workspaces/environments/read";
    EnvironmentsWrite = "Microsoft.MachineLearningServices/workspaces/environments/write";
    EnvironmentsDelete = "Microsoft.MachineLearningServices/workspaces/environments/delete";
    ModelsRead = "Microsoft.MachineLearningServices/workspaces/models/read";
    ModelsWrite = "Microsoft.MachineLearningServices/workspaces/models/write";
    ModelsDelete = "Microsoft.MachineLearningServices/workspaces/models/delete";
    ComputesRead = "Microsoft.MachineLearningServices/workspaces/computes/read";
    ComputesWrite = "Microsoft.MachineLearningServices/workspaces/computes/write";
    ComputesDelete = "Microsoft.MachineLearningServices/workspaces/computes/delete";
    JobsRead = "Microsoft.MachineLearningServices/workspaces/jobs/read";
    JobsWrite = "Microsoft.MachineLearningServices/workspaces/jobs/write";
    JobsCancel = "Microsoft.MachineLearningServices/workspaces/jobs/cancel/action";
    JobsDelete = "Microsoft.MachineLearningServices/workspaces/jobs/delete";
    ExperimentsRead = "Microsoft.MachineLearningServices/workspaces/experiments/read";
    ExperimentsWrite = "Microsoft.MachineLearningServices/workspaces/experiments/write";
    ExperimentsDelete = "Microsoft.MachineLearningServices/workspaces/experiments/delete";
    RunsRead = "Microsoft.MachineLearningServices/workspaces/experiments/runs/read";
    RunsWrite = "Microsoft.MachineLearningServices/workspaces/experiments/runs/write";
    RunsDelete = "Microsoft.MachineLearningServices/workspaces/experiments/runs/delete";
    EvaluationDatasetsRead = "Microsoft.MachineLearningServices/workspaces/evaluationDatasets/read";
    EvaluationDatasetsWrite = "Microsoft.MachineLearningServices/workspaces/evaluationDatasets/write";
    EvaluationDatasetsDelete = "Microsoft.MachineLearningServices/workspaces/evaluationDatasets/delete";
    ScorersRead = "Microsoft.MachineLearningServices/workspaces/scorers/read";
    ScorersWrite = "Microsoft.MachineLearningServices/workspaces/scorers/write";
    ScorersDelete = "Microsoft.MachineLearningServices/workspaces/scorers/delete";
    MetricsWrite = "Microsoft.MachineLearningServices/workspaces/metrics/points/write";
    TracesRead = "Microsoft.MachineLearningServices/workspaces/traces/read";
    TracesWrite = "Microsoft.MachineLearningServices/workspaces/traces/write";
    TracesDelete = "Microsoft.MachineLearningServices/workspaces/traces/delete";
    WebhooksRead = "Microsoft.MachineLearningServices/workspaces/webhooks/read";
    WebhooksWrite = "Microsoft.MachineLearningServices/workspaces/webhooks/write";
    WebhooksDelete = "Microsoft.MachineLearningServices/workspaces/webhooks/delete";
    GatewayRead = "Microsoft.MachineLearningServices/workspaces/gateway/read";
    GatewayWrite = "Microsoft.MachineLearningServices/workspaces/gateway/write";
    GatewayDelete = "Microsoft.MachineLearningServices/workspaces/gateway/delete";
    GatewaySecretsWrite = "Lazuli.Gateway/secrets/write";
    GatewaySecretsDelete = "Lazuli.Gateway/secrets/delete";
    EndpointsRead = "Microsoft.MachineLearningServices/workspaces/onlineEndpoints/read";
    EndpointsWrite = "Microsoft.MachineLearningServices/workspaces/onlineEndpoints/write";
    EndpointsDelete = "Microsoft.MachineLearningServices/workspaces/onlineEndpoints/delete";
    EndpointsListKeys = "Microsoft.MachineLearningServices/workspaces/onlineEndpoints/listKeys/action";
    EndpointsRegenerateKeys = "Microsoft.MachineLearningServices/workspaces/onlineEndpoints/regenerateKeys/action";
    EndpointsScore = "Microsoft.MachineLearningServices/workspaces/onlineEndpoints/score/action";
    DeploymentsRead = "Microsoft.MachineLearningServices/workspaces/onlineEndpoints/deployments/read";
    DeploymentsWrite = "Microsoft.MachineLearningServices/workspaces/onlineEndpoints/deployments/write";
    DeploymentsDelete = "Microsoft.MachineLearningServices/workspaces/onlineEndpoints/deployments/delete";
    DeploymentsLogs = "Microsoft.MachineLearningServices/workspaces/onlineEndpoints/deployments/getLogs/action";
    RoleAssignmentsRead = "Microsoft.Authorization/roleAssignments/read";
    RoleAssignmentsWrite = "Microsoft.Authorization/roleAssignments/write";
    RoleAssignmentsDelete = "Microsoft.Authorization/roleAssignments/delete";
    RoleDefinitionsRead = "Microsoft.Authorization/roleDefinitions/read";
    PrincipalsRead = "Lazuli.Identity/principals/read";
    PrincipalsWrite = "Lazuli.Identity/principals/write";
    PrincipalsDelete = "Lazuli.Identity/principals/delete";
    TokensRead = "Lazuli.Identity/tokens/read";
    TokensWrite = "Lazuli.Identity/tokens/write";
    TokensDelete = "Lazuli.Identity/tokens/delete";
    AuditRead = "Lazuli.Audit/records/read";
    ServerMetricsRead = "Lazuli.Server/metrics/read";
    TrackingPurge = "Lazuli.Tracking/purge/action";
    ServerBackup = "Lazuli.Server/backup/action";
    ServerImport = "Lazuli.Server/import/action";
    ServerExport = "Lazuli.Server/export/action";
}

const _: () = assert!(Action::ALL.len() <= 128, "ActionSet is 128 bits wide");

impl Action {
    /// Whether this action only looks.
    pub fn is_read(self) -> bool {
        self.as_str().ends_with("/read")
    }
}

/// A set of actions, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ActionSet(u128);

impl ActionSet {
    /// No action at all.
    pub const EMPTY: Self = Self(0);

    /// Every action whose string matches one of `actions` and none of `not_actions`.
    pub fn compile<S: AsRef<str>>(actions: &[S], not_actions: &[S]) -> Self {
        let any = |patterns: &[S], text: &str| patterns.iter().any(|p| matches(p.as_ref(), text));
        let chosen = Action::ALL
            .iter()
            .filter(|a| any(actions, a.as_str()) && !any(not_actions, a.as_str()));
        chosen.copied().collect()
    }

    /// Whether the action is in the set.
    pub const fn contains(self, action: Action) -> bool {
        self.0 & (1 << action as u8) != 0
    }

    /// Whether there is nothing in it.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// What is in either.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in both.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The actions in it, in declaration order.
    pub fn iter(self) -> impl Iterator<Item = Action> {
        Action::ALL
            .iter()
            .copied()
            .filter(move |a| self.contains(*a))
    }
}

impl FromIterator<Action> for ActionSet {
    fn from_iter<I: IntoIterator<Item = Action>>(actions: I) -> Self {
        Self(actions.into_iter().fold(0, |bits, a| bits | 1 << a as u8))
    }
}

/// Azure's wildcard: `*` stands for any run of characters, slashes included; letters compare without case.
pub fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.to_ascii_lowercase(), text.to_ascii_lowercase());
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|head| text.strip_prefix(head)) else {
        return false;
    };
    let mut middle: Vec<&str> = parts.collect();
    let Some(tail) = middle.pop() else {
        return rest.is_empty();
    };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.len() >= tail.len() && rest.ends_with(tail)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn wildcards_cross_slashes() {
        assert!(matches("*", "a/b"));
        assert!(matches("*/read", "a/b/read"));
        assert!(matches("a/*/write", "a/b/c/write"));
        assert!(!matches("a/*/write", "a/write"));
        assert!(!matches("*/read", "a/readSecrets"));
        assert!(matches("A/B", "a/b"));
    }

    /// The plainest possible matcher, character by character.
    fn naive(pattern: &[u8], text: &[u8]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some((b'*', rest)) => (0..=text.len()).any(|skip| naive(rest, &text[skip..])),
            Some((c, rest)) => text.first() == Some(c) && naive(rest, &text[1..]),
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_naive_matcher(pattern in "[ab/*]{0,8}", text in "[ab/]{0,10}") {
            prop_assert_eq!(matches(&pattern, &text), naive(pattern.as_bytes(), text.as_bytes()));
        }
    }

    #[test]
    fn sets_hold_what_they_are_given() {
        let reads = ActionSet::compile(&["*/read"], &["*/jobs/*"]);
        assert!(reads.contains(Action::DataRead));
        assert!(!reads.contains(Action::JobsRead));
        assert!(!reads.contains(Action::DataWrite));
        assert_eq!(reads.iter().collect::<ActionSet>(), reads);
    }
}
