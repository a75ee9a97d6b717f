//! The whole queue as one value, and what to do about it now.
//!
//! First come, first served per compute; one job on a node; nodes are added while jobs wait and there is room, and given back
//! when they have been idle for the cluster's time. [`Queue::decide`] is asked after every happening and on every tick; what
//! it returns is meant to be done, and it already counts with it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use lazuli_spec::Timestamp;
use lazuli_spec::jobs::JobState;

use super::job::{Entry, Happening};

/// Silence after which a job is shown as not responding.
pub const SILENCE: Duration = Duration::from_secs(30);
/// Silence after which a runner that lives all the same is killed.
pub const ABANDON: Duration = Duration::from_mins(15);
/// How long a canceled job may take to end by itself.
pub const CANCEL_GRACE: Duration = Duration::from_secs(30);
/// How much longer than its limit a command is left to the runner to end.
pub const TIMEOUT_GRACE: Duration = Duration::from_mins(1);

/// A compute's or a job's full name: workspace id and name.
pub type Key = (String, String);

/// A cluster and its nodes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Cluster {
    /// Nodes kept even when idle.
    pub min: u32,
    /// The most nodes.
    pub max: u32,
    /// How long a node may idle.
    pub idle: Duration,
    /// The nodes there are, by number.
    pub nodes: BTreeMap<i64, Node>,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The job it runs.
    pub job: Option<String>,
    /// Since when it runs none.
    pub idle_since: Timestamp,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Add a node to a cluster.
    AddNode {
        /// The cluster.
        compute: Key,
        /// The node's number.
        node: i64,
    },
    /// Give a node back.
    RemoveNode {
        /// The cluster.
        compute: Key,
        /// The node's number.
        node: i64,
    },
    /// Take the job off its node: it has ended.
    FreeNode {
        /// The cluster.
        compute: Key,
        /// The node's number.
        node: i64,
    },
    /// Start the job's runner on a node (or again, if it is not known to have started).
    Launch {
        /// The job.
        job: Key,
        /// The node's number.
        node: i64,
    },
    /// Ask the runner to end the job.
    Cancel {
        /// The job.
        job: Key,
    },
    /// End the runner and the job's processes.
    Kill {
        /// The job.
        job: Key,
    },
    /// Write down what happened to the job.
    Mark {
        /// The job.
        job: Key,
        /// What happened.
        happening: Happening,
    },
}

impl Eq for Happening {}

/// The queue: all computes that matter now and all jobs that have not ended.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Queue {
    /// Clusters by key.
    pub clusters: BTreeMap<Key, Cluster>,
    /// Jobs by key.
    pub jobs: BTreeMap<Key, Entry>,
    /// What this server has already asked the executor, so that it is asked once; empty after a restart.
    pub asked: Asked,
}

/// Requests to the executor that are under way or done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// Jobs being launched now.
    pub launching: BTreeSet<Key>,
    /// Jobs whose runner was asked to cancel.
    pub canceled: BTreeSet<Key>,
    /// Jobs whose runner was killed.
    pub killed: BTreeSet<Key>,
    /// Ended jobs whose logs are being kept.
    pub settling: BTreeSet<Key>,
    /// When this server began: silence counts from here at the earliest.
    pub since: Timestamp,
}

impl Asked {
    /// Takes over what a decision changed, and leaves alone what others changed meanwhile.
    pub fn merge(&mut self, before: &Self, after: &Self) {
        let sets = [
            (&mut self.launching, &before.launching, &after.launching),
            (&mut self.canceled, &before.canceled, &after.canceled),
            (&mut self.killed, &before.killed, &after.killed),
        ];
        for (mine, before, after) in sets {
            mine.retain(|key| !before.contains(key) || after.contains(key));
            mine.extend(after.difference(before).cloned());
        }
    }
}

impl Queue {
    /// A job's happening; returns whether the job is known and something changed.
    pub fn apply(&mut self, job: &Key, happening: Happening, now: Timestamp) -> bool {
        self.jobs
            .get_mut(job)
            .is_some_and(|entry| entry.apply(happening, now) != super::job::Outcome::Ignored)
    }

    /// What to do now. Asking again at once returns nothing.
    pub fn decide(&mut self, now: Timestamp) -> Vec<Command> {
        let mut commands = Vec::new();
        self.watch_jobs(now, &mut commands);
        self.free_nodes(now, &mut commands);
        self.fill_nodes(now, &mut commands);
        self.scale(now, &mut commands);
        commands
    }

    /// Nodes whose job has ended or is gone become idle; ended jobs leave the queue.
    fn free_nodes(&mut self, now: Timestamp, commands: &mut Vec<Command>) {
        for (key, cluster) in &mut self.clusters {
            for (number, node) in &mut cluster.nodes {
                let Some(name) = &node.job else { continue };
                let job = (key.0.clone(), name.clone());
                let holds = self
                    .jobs
                    .get(&job)
                    .is_some_and(|entry| entry.node == Some(*number) && !entry.state.is_terminal());
                if !holds {
                    *node = Node {
                        job: None,
                        idle_since: now,
                    };
                    commands.push(Command::FreeNode {
                        compute: key.clone(),
                        node: *number,
                    });
                }
            }
        }
        self.jobs.retain(|_, entry| !entry.state.is_terminal());
        let jobs = &self.jobs;
        for set in [
            &mut self.asked.canceled,
            &mut self.asked.killed,
            &mut self.asked.launching,
        ] {
            set.retain(|key| jobs.contains_key(key));
        }
    }

    /// Looks after the jobs that have a node: launches once more what a crash interrupted, presses those that should have ended.
    fn watch_jobs(&mut self, now: Timestamp, commands: &mut Vec<Command>) {
        let asked = &mut self.asked;
        for (key, entry) in &mut self.jobs {
            let Some(node) = entry.node else { continue };
            if entry.handle.is_none() {
                if asked.launching.insert(key.clone()) {
                    commands.push(Command::Launch {
                        job: key.clone(),
                        node,
                    });
                }
                continue;
            }
            if let Some(at) = entry.cancel_at {
                if asked.canceled.insert(key.clone()) {
                    commands.push(Command::Cancel { job: key.clone() });
                }
                // a restarted server gives the runner its time anew
                if now.since(at.max(asked.since)) > CANCEL_GRACE && asked.killed.insert(key.clone())
                {
                    commands.push(Command::Kill { job: key.clone() });
                }
                continue;
            }
            if overdue(entry, now) {
                if asked.killed.insert(key.clone()) {
                    commands.push(Command::Kill { job: key.clone() });
                }
                mark(key, entry, Happening::Overdue, now, commands);
                continue;
            }
            let silence = now.since(entry.seen_at.unwrap_or(asked.since).max(asked.since));
            if silence > ABANDON {
                if asked.killed.insert(key.clone()) {
                    commands.push(Command::Kill { job: key.clone() });
                }
            } else if silence > SILENCE
                && entry.state != JobState::NotResponding
                && entry.state != JobState::Starting
            {
                mark(key, entry, Happening::Silent, now, commands);
            }
        }
    }

    /// Gives waiting jobs, oldest first, an idle node or a new one.
    fn fill_nodes(&mut self, now: Timestamp, commands: &mut Vec<Command>) {
        let mut waiting: Vec<(i64, Key, Key)> = Vec::new();
        for (key, entry) in self
            .jobs
            .iter()
            .filter(|(_, entry)| entry.state == JobState::Queued)
        {
            waiting.push((
                entry.order,
                key.clone(),
                (entry.workspace_id.clone(), entry.compute.clone()),
            ));
        }
        waiting.sort();
        for (_, job, compute) in waiting {
            let Some(cluster) = self.clusters.get_mut(&compute) else {
                continue;
            };
            let Some(number) = cluster.take_node(&job.1, now, &compute, commands) else {
                continue;
            };
            if let Some(entry) = self.jobs.get_mut(&job) {
                entry.apply(Happening::Assigned(number), now);
            }
            self.asked.launching.insert(job.clone());
            commands.push(Command::Mark {
                job: job.clone(),
                happening: Happening::Assigned(number),
            });
            commands.push(Command::Launch { job, node: number });
        }
    }

    fn scale(&mut self, now: Timestamp, commands: &mut Vec<Command>) {
        for (key, cluster) in &mut self.clusters {
            while (cluster.nodes.len() as u32) < cluster.min {
                let number = cluster.free_number();
                cluster.nodes.insert(
                    number,
                    Node {
                        job: None,
                        idle_since: now,
                    },
                );
                commands.push(Command::AddNode {
                    compute: key.clone(),
                    node: number,
                });
            }
            // the highest numbers go first, so that low ones stay warm
            let numbers: Vec<i64> = cluster.nodes.keys().rev().copied().collect();
            for number in numbers {
                let count = cluster.nodes.len() as u32;
                let Some(node) = cluster.nodes.get(&number) else {
                    continue;
                };
                let tired = now.since(node.idle_since) >= cluster.idle && count > cluster.min;
                if node.job.is_none() && (tired || count > cluster.max) {
                    cluster.nodes.remove(&number);
                    commands.push(Command::RemoveNode {
                        compute: key.clone(),
                        node: number,
                    });
                }
            }
        }
    }
}

impl Cluster {
    fn free_number(&self) -> i64 {
        (0..=self.nodes.len() as i64)
            .find(|number| !self.nodes.contains_key(number))
            .unwrap_or(0)
    }

    fn take_node(
        &mut self,
        job: &str,
        now: Timestamp,
        key: &Key,
        commands: &mut Vec<Command>,
    ) -> Option<i64> {
        let idle = self
            .nodes
            .iter()
            .find(|(_, node)| node.job.is_none())
            .map(|(number, _)| *number);
        let number = match idle {
            Some(number) => number,
            None if (self.nodes.len() as u32) < self.max => {
                let number = self.free_number();
                commands.push(Command::AddNode {
                    compute: key.clone(),
                    node: number,
                });
                number
            }
            None => return None,
        };
        self.nodes.insert(
            number,
            Node {
                job: Some(job.to_owned()),
                idle_since: now,
            },
        );
        Some(number)
    }
}

fn mark(
    key: &Key,
    entry: &mut Entry,
    happening: Happening,
    now: Timestamp,
    commands: &mut Vec<Command>,
) {
    if entry.apply(happening.clone(), now) != super::job::Outcome::Ignored {
        commands.push(Command::Mark {
            job: key.clone(),
            happening,
        });
    }
}

fn overdue(entry: &Entry, now: Timestamp) -> bool {
    match (
        entry.timeout_seconds,
        entry.phases.running_at,
        entry.phases.finalizing_at,
    ) {
        (Some(limit), Some(started), None) => {
            now.since(started) > Duration::from_secs(limit).saturating_add(TIMEOUT_GRACE)
        }
        _ => false,
    }
}
