//! Giving way, step by step, when a definition cannot be met on the interpreter that is here.
//!
//! The policy, in one place:
//! 1. Wheels only, exactly as asked.
//! 2. If the interpreter is the one asked for: once more as asked, building from source what has no wheel. Then it is an error:
//!    a conflict or a missing package is the author's to settle, and guessing would hide it.
//! 3. If the interpreter had to be substituted, pins were made for another one. Those that uv names as the obstacle (all, if it
//!    names none) give way, first to any release of the same major version, then altogether; what gave way is recorded with
//!    the release that was taken. Building from source is the last resort.

use super::requirement::{Line, Requirement};

/// How far one requirement has given way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    AsAsked,
    SameMajor,
    Unbounded,
}

/// The requirements of one environment on their way to something that resolves.
#[derive(Debug)]
pub(super) struct Relaxation {
    asked: Vec<Line>,
    steps: Vec<Step>,
}

impl Relaxation {
    pub(super) fn new(asked: &[Line]) -> Self {
        Self {
            asked: asked.to_vec(),
            steps: vec![Step::AsAsked; asked.len()],
        }
    }

    /// The requirements as they now stand, one a line.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for (line, step) in self.asked.iter().zip(&self.steps) {
            let now = match line {
                Line::Package(package) => at_step(package, *step).to_string(),
                other => other.to_string(),
            };
            text.push_str(&now);
            text.push('\n');
        }
        text
    }

    /// Lets the requirements that `complaint` names give way one step, or all of them; `false` when nothing is left to give.
    pub(super) fn give_way(&mut self, complaint: &str) -> bool {
        let named: Vec<usize> = (0..self.asked.len())
            .filter(|at| self.can_give(*at) && self.is_named(*at, complaint))
            .collect();
        let chosen = if named.is_empty() {
            (0..self.asked.len())
                .filter(|at| self.can_give(*at))
                .collect()
        } else {
            named
        };
        for at in &chosen {
            self.steps[*at] = self.next_step(*at);
        }
        !chosen.is_empty()
    }

    fn can_give(&self, at: usize) -> bool {
        matches!(&self.asked[at], Line::Package(package) if package.is_bounded())
            && self.steps[at] < Step::Unbounded
    }

    fn next_step(&self, at: usize) -> Step {
        match (&self.asked[at], self.steps[at]) {
            (Line::Package(package), Step::AsAsked) if package.pinned_release().is_some() => {
                Step::SameMajor
            }
            _ => Step::Unbounded,
        }
    }

    fn is_named(&self, at: usize, complaint: &str) -> bool {
        let Line::Package(package) = &self.asked[at] else {
            return false;
        };
        let key = package.key();
        let boundary = |c: char| !(c.is_ascii_alphanumeric() || c == '-');
        complaint
            .to_ascii_lowercase()
            .split(boundary)
            .any(|word| word.trim_matches('-') == key)
    }

    /// What gave way, with the release that was taken instead; a pin that was met after all is not mentioned.
    pub(super) fn report(&self, lock: &str) -> Vec<String> {
        let mut report = Vec::new();
        for (line, step) in self.asked.iter().zip(&self.steps) {
            let Line::Package(package) = line else {
                continue;
            };
            if *step == Step::AsAsked {
                continue;
            }
            let taken = locked_release(lock, &package.key());
            if taken == package.pinned_release() {
                continue;
            }
            report.push(format!(
                "{package} was relaxed: {} is used",
                taken.unwrap_or("nothing")
            ));
        }
        report
    }
}

fn at_step(package: &Requirement, step: Step) -> Requirement {
    match (step, package.pinned_release()) {
        (Step::AsAsked, _) => package.clone(),
        (Step::SameMajor, Some(release)) => package.with_specifiers(&same_major(release)),
        _ => package.with_specifiers(""),
    }
}

/// `1.1.5` -> `>=1.1.5,<2`
fn same_major(release: &str) -> String {
    let major: u64 = release
        .split('.')
        .next()
        .and_then(|part| part.parse().ok())
        .unwrap_or(0);
    format!(">={release},<{}", major + 1)
}

fn locked_release<'a>(lock: &'a str, key: &str) -> Option<&'a str> {
    lock.lines().find_map(|line| {
        let (name, version) = line.trim().split_once("==")?;
        (name == key).then(|| version.split([' ', ';']).next().unwrap_or(version))
    })
}

#[cfg(test)]
mod tests {
    use super::super::requirement::parse_file;
    use super::*;

    #[test]
    fn only_the_named_obstacle_gives_way_and_only_as_far_as_needed() {
        let mut relaxation =
            Relaxation::new(&parse_file("pandas==1.1.5\nnumpy==1.21.0\nsix\nscipy<1.8").unwrap());
        assert!(
            relaxation.give_way(
                "Because numpy==1.21.0 has no usable wheels and you require numpy==1.21.0"
            )
        );
        assert_eq!(
            relaxation.text(),
            "pandas==1.1.5\nnumpy>=1.21.0,<2\nsix\nscipy<1.8\n"
        );
        assert!(relaxation.give_way("something else"));
        assert_eq!(relaxation.text(), "pandas>=1.1.5,<2\nnumpy\nsix\nscipy\n");
        assert!(relaxation.give_way(""));
        assert!(!relaxation.give_way("pandas"), "nothing is left to give");
        insta::assert_snapshot!(relaxation.report("numpy==1.21.0\npandas==2.3.1\nscipy==1.17.1\nsix==1.17.0\n").join("\n"), @r"
        pandas==1.1.5 was relaxed: 2.3.1 is used
        scipy<1.8 was relaxed: 1.17.1 is used
        ");
    }
}
