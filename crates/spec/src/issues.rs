//! Issues: problems that people and programs found in the traces of an experiment, with what became of them.
//!
//! Which traces an issue shows in is said by assessments on those traces; an issue holds the description. Nothing here looks
//! for issues: the server calls no model.

use crate::clock::Timestamp;
use crate::experiments::ExperimentId;
use crate::invalid::Invalid;
use crate::limits;

/// Longest name.
pub const NAME: usize = 250;
/// Longest description.
pub const DESCRIPTION: usize = 10_000;
/// Most root causes of one issue.
pub const ROOT_CAUSES: usize = 50;
/// Longest root cause.
pub const ROOT_CAUSE: usize = 5_000;
/// Most categories of one issue.
pub const CATEGORIES: usize = 50;
/// Longest category.
pub const CATEGORY: usize = 250;
/// Longest name of who made it.
pub const CREATED_BY: usize = 255;
/// Longest filter of a search.
pub const FILTER: usize = 10_000;
/// Most issues of one experiment.
pub const PER_EXPERIMENT: i64 = 10_000;
/// Most issues on one page, however many are asked for: they may be long.
pub const PAGE: u32 = 1_000;

/// What became of an issue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IssueStatus {
    /// Nobody has decided yet.
    #[default]
    Pending,
    /// It is none.
    Rejected,
    /// It is dealt with.
    Resolved,
}

impl IssueStatus {
    const ALL: [Self; 3] = [Self::Pending, Self::Rejected, Self::Resolved];

    /// The protocol's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Rejected => "rejected",
            Self::Resolved => "resolved",
        }
    }

    /// Reads the protocol's word.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        one_of("status", &Self::ALL, Self::as_str, text)
    }
}

/// How bad an issue is; the worst is the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Looked at, and found harmless.
    NotAnIssue,
    /// Low.
    Low,
    /// Medium.
    Medium,
    /// High.
    High,
}

impl Severity {
    const ALL: [Self; 4] = [Self::NotAnIssue, Self::Low, Self::Medium, Self::High];

    /// The protocol's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotAnIssue => "not_an_issue",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }

    /// Reads the protocol's word.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        one_of("severity", &Self::ALL, Self::as_str, text)
    }

    /// Its place in the order of severities, counted from 1; 0 is none.
    pub fn rank(severity: Option<Self>) -> i64 {
        let place = severity.and_then(|wanted| Self::ALL.iter().position(|one| *one == wanted));
        place.map_or(0, |place| place as i64 + 1)
    }

    /// The severity at that place; none for 0 and for places that there are not.
    pub fn at_rank(rank: i64) -> Option<Self> {
        let place = usize::try_from(rank.checked_sub(1)?).ok()?;
        Self::ALL.get(place).copied()
    }
}

/// An issue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// `iss-` and 32 hexadecimal digits.
    pub issue_id: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// What was said of it.
    pub text: NewIssue,
}

/// What is said of an issue when it is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewIssue {
    /// Its experiment.
    pub experiment_id: ExperimentId,
    /// Its name; need not be unique.
    pub name: String,
    /// What is wrong.
    pub description: String,
    /// What became of it.
    pub status: IssueStatus,
    /// How bad it is.
    pub severity: Option<Severity>,
    /// Why it happens.
    pub root_causes: Vec<String>,
    /// The run that found it.
    pub source_run_id: Option<String>,
    /// What kind of problem it is.
    pub categories: Vec<String>,
    /// Who made it, as the client says.
    pub created_by: Option<String>,
}

impl NewIssue {
    /// Its limits.
    pub fn check(&self) -> Result<(), Invalid> {
        limits::length("name", NAME, &self.name)?;
        limits::length("description", DESCRIPTION, &self.description)?;
        texts("root_causes", &self.root_causes, ROOT_CAUSES, ROOT_CAUSE)?;
        texts("categories", &self.categories, CATEGORIES, CATEGORY)?;
        limits::length(
            "created_by",
            CREATED_BY,
            self.created_by.as_deref().unwrap_or_default(),
        )
    }
}

/// What is to change in an issue; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IssueUpdate {
    /// Its name.
    pub name: Option<String>,
    /// What is wrong.
    pub description: Option<String>,
    /// What became of it.
    pub status: Option<IssueStatus>,
    /// How bad it is.
    pub severity: Option<Severity>,
}

impl IssueUpdate {
    /// Its limits.
    pub fn check(&self) -> Result<(), Invalid> {
        limits::length("name", NAME, self.name.as_deref().unwrap_or_default())?;
        let description = self.description.as_deref().unwrap_or_default();
        limits::length("description", DESCRIPTION, description)
    }

    /// Changes the issue.
    pub fn apply(self, issue: &mut Issue, now: Timestamp) {
        let text = &mut issue.text;
        if let Some(name) = self.name {
            text.name = name;
        }
        if let Some(description) = self.description {
            text.description = description;
        }
        text.status = self.status.unwrap_or(text.status);
        text.severity = self.severity.or(text.severity);
        issue.updated_at = now;
    }
}

/// An issue among the results of a search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundIssue {
    /// The issue.
    pub issue: Issue,
    /// In how many traces it shows, when that was asked for.
    pub traces: Option<i64>,
}

fn one_of<T: Copy>(
    parameter: &str,
    all: &[T],
    word: impl Fn(T) -> &'static str,
    text: &str,
) -> Result<T, Invalid> {
    let found = all.iter().copied().find(|one| word(*one) == text);
    found.ok_or_else(|| {
        let words: Vec<&str> = all.iter().copied().map(word).collect();
        let reason = format!("it must be one of: {}", words.join(", "));
        Invalid::value(parameter, text, &reason)
    })
}

fn texts(parameter: &str, given: &[String], most: usize, longest: usize) -> Result<(), Invalid> {
    if given.len() > most {
        let count = given.len();
        return Err(Invalid(format!(
            "'{parameter}' has {count} entries; the limit is {most}"
        )));
    }
    given
        .iter()
        .try_for_each(|text| limits::length(parameter, longest, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new() -> NewIssue {
        NewIssue {
            experiment_id: ExperimentId::DEFAULT,
            name: "slow".into(),
            description: "answers take a minute".into(),
            status: IssueStatus::Pending,
            severity: Some(Severity::Low),
            root_causes: vec!["no cache".into()],
            source_run_id: None,
            categories: Vec::new(),
            created_by: None,
        }
    }

    #[test]
    fn words_and_places_read_back() {
        for status in IssueStatus::ALL {
            assert_eq!(IssueStatus::parse(status.as_str()), Ok(status));
        }
        for severity in Severity::ALL {
            assert_eq!(Severity::parse(severity.as_str()), Ok(severity));
            assert_eq!(
                Severity::at_rank(Severity::rank(Some(severity))),
                Some(severity)
            );
        }
        assert_eq!(Severity::rank(None), 0);
        for none in [0, -1, 5, i64::MIN, i64::MAX] {
            assert_eq!(Severity::at_rank(none), None);
        }
        assert_eq!(
            IssueStatus::parse("open").unwrap_err().0,
            "Invalid value \"open\" for parameter 'status' supplied: it must be one of: pending, rejected, resolved"
        );
    }

    #[test]
    fn what_is_too_long_or_too_much_is_refused() {
        assert_eq!(new().check(), Ok(()));
        let long = |limit: usize| "x".repeat(limit + 1);
        let change: [fn(&mut NewIssue, String); 3] = [
            |issue, text| issue.name = text,
            |issue, text| issue.root_causes = vec![text],
            |issue, text| issue.created_by = Some(text),
        ];
        for (change, limit) in change.into_iter().zip([NAME, ROOT_CAUSE, CREATED_BY]) {
            let mut issue = new();
            change(&mut issue, long(limit));
            assert!(issue.check().is_err());
        }
        let mut issue = new();
        issue.categories = vec!["c".to_owned(); CATEGORIES + 1];
        assert!(issue.check().unwrap_err().0.contains("the limit is 50"));
    }

    #[test]
    fn an_update_changes_what_it_names() {
        let mut issue = Issue {
            issue_id: "iss-1".into(),
            created_at: Timestamp(1),
            updated_at: Timestamp(1),
            text: new(),
        };
        let update = IssueUpdate {
            status: Some(IssueStatus::Resolved),
            ..IssueUpdate::default()
        };
        update.apply(&mut issue, Timestamp(2));
        let expected = NewIssue {
            status: IssueStatus::Resolved,
            ..new()
        };
        assert_eq!((issue.text, issue.updated_at), (expected, Timestamp(2)));
    }
}
