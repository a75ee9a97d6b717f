//! The scheduler as a film: advance to a named point, then read the whole queue in words.

use std::fmt::Write as _;
use std::time::Duration;

use lazuli_spec::Timestamp;
use lazuli_spec::jobs::{JobState, Phases};
use lazuli_spec::runner::{RunnerState, StateReport};
use proptest::prelude::*;

use super::job::{Entry, Happening};
use super::queue::{Cluster, Command, Key, Queue};

/// A queue, a clock and the story so far.
struct Film {
    queue: Queue,
    now: Timestamp,
    order: i64,
    told: String,
}

fn key(name: &str) -> Key {
    ("ws".to_owned(), name.to_owned())
}

impl Film {
    fn new(min: u32, max: u32) -> Self {
        let mut queue = Queue::default();
        let cluster = Cluster {
            min,
            max,
            idle: Duration::from_mins(2),
            ..Cluster::default()
        };
        queue.clusters.insert(key("cpu"), cluster);
        Self {
            queue,
            now: Timestamp(0),
            order: 0,
            told: String::new(),
        }
    }

    fn submit(&mut self, name: &str) -> &mut Self {
        self.order += 1;
        let entry = Entry {
            workspace_id: "ws".into(),
            name: name.into(),
            compute: "cpu".into(),
            order: self.order,
            state: JobState::Queued,
            phases: Phases {
                queued_at: Some(self.now),
                ..Phases::default()
            },
            node: None,
            handle: None,
            sequence: 0,
            seen_at: None,
            cancel_at: None,
            timeout_seconds: Some(100),
            error: None,
            exit_code: None,
        };
        self.queue.jobs.insert(key(name), entry);
        self
    }

    fn happens(&mut self, name: &str, happening: Happening) -> &mut Self {
        let now = self.now;
        self.queue.apply(&key(name), happening, now);
        self
    }

    fn launched(&mut self, name: &str) -> &mut Self {
        self.queue.asked.launching.remove(&key(name));
        self.happens(name, Happening::Launched(format!("pid-{name}")))
    }

    fn report(&mut self, name: &str, sequence: u64, state: RunnerState) -> &mut Self {
        let at = self.now;
        self.happens(
            name,
            Happening::Reported(StateReport {
                sequence,
                state,
                at,
                error: None,
                exit_code: None,
                environment: None,
            }),
        )
    }

    fn wait(&mut self, seconds: u64) -> &mut Self {
        self.now = self.now.plus(Duration::from_secs(seconds));
        self
    }

    /// The name of the point reached, what is decided there, and the queue after it.
    fn scene(&mut self, title: &str) -> &mut Self {
        let before: Vec<String> = self
            .queue
            .jobs
            .values()
            .filter(|job| job.state.is_terminal())
            .map(words)
            .collect();
        let commands = self.queue.decide(self.now);
        assert_eq!(
            self.queue.clone().decide(self.now),
            [],
            "deciding twice changes nothing"
        );
        let _ = writeln!(self.told, "== {title} ({} s)", self.now.as_seconds());
        for command in &commands {
            let _ = writeln!(self.told, "  do: {}", order_words(command));
        }
        for line in before
            .into_iter()
            .chain(self.queue.jobs.values().map(words))
        {
            let _ = writeln!(self.told, "  job {line}");
        }
        for (name, cluster) in &self.queue.clusters {
            let nodes: Vec<String> = cluster
                .nodes
                .iter()
                .map(|(number, node)| format!("{number}={}", node.job.as_deref().unwrap_or("idle")))
                .collect();
            let _ = writeln!(
                self.told,
                "  {} nodes: {}",
                name.1,
                if nodes.is_empty() {
                    "none".to_owned()
                } else {
                    nodes.join(" ")
                }
            );
        }
        self
    }
}

fn words(job: &Entry) -> String {
    let node = job
        .node
        .map(|node| format!(" on node {node}"))
        .unwrap_or_default();
    let why = job
        .error
        .as_ref()
        .map(|error| format!(": {}: {}", error.code, error.message))
        .unwrap_or_default();
    format!("{} {}{node}{why}", job.name, job.state)
}

fn order_words(command: &Command) -> String {
    match command {
        Command::AddNode { node, .. } => format!("add node {node}"),
        Command::RemoveNode { node, .. } => format!("remove node {node}"),
        Command::FreeNode { node, .. } => format!("free node {node}"),
        Command::Launch { job, node } => format!("launch {} on node {node}", job.1),
        Command::Cancel { job } => format!("ask {} to end", job.1),
        Command::Kill { job } => format!("kill {}", job.1),
        Command::Mark { job, happening } => {
            format!("mark {} {}", job.1, format!("{happening:?}").to_lowercase())
        }
    }
}

#[test]
fn jobs_run_in_order_and_nodes_come_and_go() {
    let mut film = Film::new(0, 2);
    film.submit("a")
        .submit("b")
        .submit("c")
        .scene("three jobs for two nodes");
    film.launched("a")
        .launched("b")
        .wait(1)
        .report("a", 1, RunnerState::Preparing)
        .report("a", 2, RunnerState::Running)
        .scene("a runs");
    film.wait(5)
        .report("a", 3, RunnerState::Finalizing)
        .report("a", 4, RunnerState::Completed)
        .scene("a is done, c follows");
    film.launched("c")
        .report("b", 1, RunnerState::Completed)
        .report("c", 1, RunnerState::Failed)
        .scene("all done");
    film.wait(119)
        .scene("still warm")
        .wait(1)
        .scene("nodes are given back");
    insta::assert_snapshot!(film.told, @r#"
== three jobs for two nodes (0 s)
  do: add node 0
  do: mark a assigned(0)
  do: launch a on node 0
  do: add node 1
  do: mark b assigned(1)
  do: launch b on node 1
  job a Starting on node 0
  job b Starting on node 1
  job c Queued
  cpu nodes: 0=a 1=b
== a runs (1 s)
  job a Running on node 0
  job b Starting on node 1
  job c Queued
  cpu nodes: 0=a 1=b
== a is done, c follows (6 s)
  do: free node 0
  do: mark c assigned(0)
  do: launch c on node 0
  job a Completed
  job b Starting on node 1
  job c Starting on node 0
  cpu nodes: 0=c 1=b
== all done (6 s)
  do: free node 0
  do: free node 1
  job b Completed
  job c Failed
  cpu nodes: 0=idle 1=idle
== still warm (125 s)
  cpu nodes: 0=idle 1=idle
== nodes are given back (126 s)
  do: remove node 1
  do: remove node 0
  cpu nodes: none
"#);
}

#[test]
fn cancel_in_every_state() {
    let mut film = Film::new(1, 1);
    film.scene("one node is always there")
        .submit("waits")
        .submit("runs");
    film.happens("waits", Happening::CancelRequested)
        .scene("canceled before it started");
    film.happens("runs", Happening::CancelRequested)
        .scene("canceled while launching");
    film.launched("runs")
        .scene("launched all the same, so it is asked to end");
    film.report("runs", 1, RunnerState::Running)
        .scene("it still shows that it is to end");
    film.wait(31)
        .scene("it does not end")
        .happens("runs", Happening::Lost("killed".into()))
        .scene("its runner is gone");
    film.submit("good")
        .scene("the next one")
        .launched("good")
        .report("good", 1, RunnerState::Running)
        .scene("runs");
    film.happens("good", Happening::CancelRequested)
        .scene("canceled while running");
    film.report("good", 2, RunnerState::Canceled)
        .scene("ended as asked");
    film.submit("late")
        .scene("one more")
        .launched("late")
        .report("late", 1, RunnerState::Completed);
    film.happens("late", Happening::CancelRequested)
        .scene("too late to cancel");
    insta::assert_snapshot!(film.told, @r#"
== one node is always there (0 s)
  do: add node 0
  cpu nodes: 0=idle
== canceled before it started (0 s)
  do: mark runs assigned(0)
  do: launch runs on node 0
  job waits Canceled
  job runs Starting on node 0
  cpu nodes: 0=runs
== canceled while launching (0 s)
  job runs CancelRequested on node 0
  cpu nodes: 0=runs
== launched all the same, so it is asked to end (0 s)
  do: ask runs to end
  job runs CancelRequested on node 0
  cpu nodes: 0=runs
== it still shows that it is to end (0 s)
  job runs CancelRequested on node 0
  cpu nodes: 0=runs
== it does not end (31 s)
  do: kill runs
  job runs CancelRequested on node 0
  cpu nodes: 0=runs
== its runner is gone (31 s)
  do: free node 0
  job runs Canceled
  cpu nodes: 0=idle
== the next one (31 s)
  do: mark good assigned(0)
  do: launch good on node 0
  job good Starting on node 0
  cpu nodes: 0=good
== runs (31 s)
  job good Running on node 0
  cpu nodes: 0=good
== canceled while running (31 s)
  do: ask good to end
  job good CancelRequested on node 0
  cpu nodes: 0=good
== ended as asked (31 s)
  do: free node 0
  job good Canceled
  cpu nodes: 0=idle
== one more (31 s)
  do: mark late assigned(0)
  do: launch late on node 0
  job late Starting on node 0
  cpu nodes: 0=late
== too late to cancel (31 s)
  do: free node 0
  job late Completed
  cpu nodes: 0=idle
"#);
}

#[test]
fn lost_runners_silence_and_limits() {
    let mut film = Film::new(0, 3);
    film.submit("lost")
        .submit("silent")
        .submit("slow")
        .scene("three jobs");
    for name in ["lost", "silent", "slow"] {
        film.launched(name).report(name, 1, RunnerState::Running);
    }
    film.wait(10)
        .happens("lost", Happening::Lost("killed by signal 9".into()))
        .scene("one runner is gone");
    film.wait(21)
        .happens("slow", Happening::Heard)
        .scene("one is silent");
    film.happens("silent", Happening::Heard)
        .scene("heard of again");
    film.wait(131)
        .happens("slow", Happening::Heard)
        .happens("silent", Happening::Heard)
        .scene("both are beyond their limit");
    film.submit("bad")
        .scene("one more")
        .happens("bad", Happening::LaunchRefused("no disk".into()))
        .scene("it cannot be started");
    insta::assert_snapshot!(film.told, @r#"
== three jobs (0 s)
  do: add node 0
  do: mark lost assigned(0)
  do: launch lost on node 0
  do: add node 1
  do: mark silent assigned(1)
  do: launch silent on node 1
  do: add node 2
  do: mark slow assigned(2)
  do: launch slow on node 2
  job lost Starting on node 0
  job silent Starting on node 1
  job slow Starting on node 2
  cpu nodes: 0=lost 1=silent 2=slow
== one runner is gone (10 s)
  do: free node 0
  job lost Failed: runner_lost: the job's runner is gone: killed by signal 9
  job silent Running on node 1
  job slow Running on node 2
  cpu nodes: 0=idle 1=silent 2=slow
== one is silent (31 s)
  do: mark silent silent
  job silent NotResponding on node 1
  job slow Running on node 2
  cpu nodes: 0=idle 1=silent 2=slow
== heard of again (31 s)
  job silent Running on node 1
  job slow Running on node 2
  cpu nodes: 0=idle 1=silent 2=slow
== both are beyond their limit (162 s)
  do: kill silent
  do: mark silent overdue
  do: kill slow
  do: mark slow overdue
  do: free node 1
  do: free node 2
  do: remove node 0
  cpu nodes: 1=idle 2=idle
== one more (162 s)
  do: mark bad assigned(1)
  do: launch bad on node 1
  job bad Starting on node 1
  cpu nodes: 1=bad 2=idle
== it cannot be started (162 s)
  do: free node 1
  job bad Failed: launch_failed: no disk
  cpu nodes: 1=idle 2=idle
"#);
}

#[test]
fn after_a_crash_the_queue_goes_on() {
    let mut film = Film::new(0, 2);
    film.submit("assigned")
        .submit("running")
        .submit("waits")
        .scene("before")
        .launched("running")
        .report("running", 1, RunnerState::Running);
    film.happens("running", Happening::CancelRequested);
    // what is asked of the executor is forgotten; rows are not
    film.queue.asked = super::queue::Asked::default();
    film.wait(3_600);
    film.queue.asked.since = film.now;
    film.scene("after: launches once more, asks once more, and is patient");
    insta::assert_snapshot!(film.told, @r#"
== before (0 s)
  do: add node 0
  do: mark assigned assigned(0)
  do: launch assigned on node 0
  do: add node 1
  do: mark running assigned(1)
  do: launch running on node 1
  job assigned Starting on node 0
  job running Starting on node 1
  job waits Queued
  cpu nodes: 0=assigned 1=running
== after: launches once more, asks once more, and is patient (3600 s)
  do: launch assigned on node 0
  do: ask running to end
  job assigned Starting on node 0
  job running CancelRequested on node 1
  job waits Queued
  cpu nodes: 0=assigned 1=running
"#);
}

#[test]
fn old_and_repeated_reports_change_nothing() {
    let mut film = Film::new(0, 1);
    film.submit("a")
        .scene("start")
        .launched("a")
        .report("a", 2, RunnerState::Running);
    let before = film.queue.clone();
    film.report("a", 1, RunnerState::Preparing)
        .report("a", 2, RunnerState::Running);
    assert_eq!(film.queue, before);
}

proptest! {
    /// Whatever happens in whatever order: no node runs two jobs, no job has two nodes, clusters stay within their limits.
    #[test]
    fn nothing_breaks_the_queue(steps in proptest::collection::vec((0..9_u8, 0..4_usize), 0..60)) {
        let names = ["a", "b", "c", "d"];
        let mut film = Film::new(1, 2);
        for (sequence, (step, which)) in (1_u64..).zip(steps) {
            let name = names[which];
            match step {
                0 => { film.submit(name); }
                1 => { film.launched(name); }
                2 => { film.report(name, sequence, RunnerState::Running); }
                3 => { film.report(name, sequence, RunnerState::Completed); }
                4 => { film.happens(name, Happening::CancelRequested); }
                5 => { film.happens(name, Happening::Lost("x".into())); }
                6 => { film.happens(name, Happening::LaunchRefused("x".into())); }
                7 => { film.happens(name, Happening::Heard); }
                _ => { film.wait(40); }
            }
            film.scene("step");
            let cluster = &film.queue.clusters[&key("cpu")];
            prop_assert!((1..=2).contains(&cluster.nodes.len()));
            for (number, node) in &cluster.nodes {
                if let Some(job) = &node.job {
                    prop_assert_eq!(film.queue.jobs[&key(job)].node, Some(*number));
                }
            }
            let placed: Vec<i64> = film.queue.jobs.values().filter_map(|job| job.node).collect();
            let distinct: std::collections::BTreeSet<i64> = placed.iter().copied().collect();
            prop_assert_eq!(placed.len(), distinct.len());
        }
    }
}
