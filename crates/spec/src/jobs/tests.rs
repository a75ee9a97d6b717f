use proptest::prelude::*;

use super::{CommandJob, JobInput, JobState, Phases};
use crate::Timestamp;
use crate::yaml::Document;

fn read(text: &str) -> Result<CommandJob, String> {
    let document = Document::parse("job.yml", text).map_err(|error| error.to_string())?;
    CommandJob::read(&document).map_err(|error| error.to_string())
}

const FULL: &str = r"
$schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json
type: command
code: src
command: >-
  python main.py --data ${{inputs.data}} --lr ${{inputs.lr}} $[[--depth ${{inputs.depth}}]]
  --k ${{ inputs.tree.k }} --out ${{outputs.model}}
inputs:
  data:
    type: uri_file
    path: azureml:iris@latest
    mode: download
  lr: 0.10
  flag: true
  n: {type: integer, value: 3}
  tree: {k: 2, name: deep}
outputs:
  model: {type: mlflow_model, name: credit, version: 3}
  plain:
environment:
  image: mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04
  conda_file:
    dependencies: [python=3.10, pip, {pip: [pandas]}]
environment_variables: {DEBUG: 1, WHERE: '${{inputs.data}}'}
compute: azureml:cpu-cluster
limits: {timeout: 600}
resources: {instance_count: 1, shm_size: 2g}
tags: {team: vision, version: 1.10}
experiment_name: credit
";

#[test]
fn a_full_job_is_read_and_written() {
    let job = read(FULL).unwrap();
    assert_eq!(job.compute_name(), Some("cpu-cluster"));
    assert_eq!(job.timeout(), Some(600));
    assert_eq!(
        job.flat_inputs().keys().collect::<Vec<_>>(),
        ["data", "flag", "lr", "n", "tree.k", "tree.name"]
    );
    assert_eq!(job.tags["version"], "1.10");
    let text = serde_json::to_string(&job).unwrap();
    let again = read(&text).unwrap();
    assert_eq!(again, job);
    assert!(
        matches!(&job.inputs["data"], JobInput::Asset(asset) if asset.path == "azureml:iris@latest")
    );
    insta::assert_snapshot!(text, @r#"{"type":"command","experiment_name":"credit","command":"python main.py --data ${{inputs.data}} --lr ${{inputs.lr}} $[[--depth ${{inputs.depth}}]] --k ${{ inputs.tree.k }} --out ${{outputs.model}}","code":"src","environment":{"image":"mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04","conda_file":{"dependencies":["python=3.10","pip",{"pip":["pandas"]}]}},"compute":"azureml:cpu-cluster","inputs":{"data":{"type":"uri_file","path":"azureml:iris@latest","mode":"download"},"flag":true,"lr":0.1,"n":3,"tree":{"k":2,"name":"deep"}},"outputs":{"model":{"type":"mlflow_model","name":"credit","version":"3"},"plain":null},"environment_variables":{"DEBUG":"1","WHERE":"${{inputs.data}}"},"limits":{"timeout":600},"resources":{"instance_count":1,"shm_size":"2g"},"tags":{"team":"vision","version":"1.10"}}"#);
}

#[test]
fn mistakes_are_placed_and_refusals_explained() {
    let base = "command: echo\nenvironment: sklearn-1.5\n";
    let cases = [
        "type: pipeline\njobs: {}\n",
        "type: comand\n",
        "component: azureml:a:1\n",
        "command: echo\n",
        "command: ''\nenvironment: e\n",
        "command: echo\nenvironmnt: e\n",
        "command: [a]\nenvironment: e\n",
        "command: echo ${{inputs.dta}}\nenvironment: e\ninputs: {data: 1}\n",
        "command: echo ${{outputs.model}}\nenvironment: e\n",
        "command: echo ${{inputs.x\nenvironment: e\n",
        &format!("{base}inputs:\n  data: {{type: uri_fil, path: x}}\n"),
        &format!("{base}inputs:\n  data: {{type: uri_file, pth: x}}\n"),
        &format!("{base}inputs:\n  data: {{typ: uri_file, path: x}}\n"),
        &format!("{base}inputs:\n  data: {{type: uri_file}}\n"),
        &format!("{base}inputs:\n  data: {{path: 'azureml:iris'}}\n"),
        &format!("{base}inputs:\n  data: {{path: ./x, mode: mont}}\n"),
        &format!("{base}inputs:\n  n: {{type: integer, value: many}}\n"),
        &format!("{base}inputs:\n  1x: 1\n"),
        &format!("{base}inputs: [1]\n"),
        &format!(
            "{base}outputs:\n  o: {{type: uri_folder, path: azureml://datastores/a/paths/b}}\n"
        ),
        &format!("{base}outputs:\n  o: {{version: 1}}\n"),
        &format!("{base}distribution: {{type: pytorch}}\n"),
        &format!("{base}services: {{a: {{type: vs_code}}}}\n"),
        &format!("{base}resources: {{instance_count: 2}}\n"),
        &format!("{base}limits: {{timeout: 0}}\n"),
        &format!("{base}limits: {{timeout: 1h}}\n"),
        &format!("{base}environment_variables: {{'A-B': x}}\n"),
        &format!("{base}name: 'a b'\n"),
        "command: echo\nenvironment: {conda_fil: x}\n",
        "command: echo\nenvironment: {build: {path: .}}\n",
        "command: echo\nenvironment: {}\n",
    ];
    let told: Vec<String> = cases.iter().map(|text| read(text).unwrap_err()).collect();
    insta::assert_snapshot!(told.join("\n"), @r#"
job.yml:1:7: type: `pipeline` jobs are not supported; only `command` jobs are run
job.yml:1:7: type: `comand` is not a kind of job; only `command` jobs are run; did you mean `command`?
job.yml:1:12: component: jobs made from a component are not supported; write the `command` in the job
job.yml:1:1: environment: this field is required: a name such as `azureml:sklearn-1.5@latest`, or `image` and `conda_file`
job.yml:1:10: command: the command is empty
job.yml:2:1: environmnt: unknown field; did you mean `environment`?
job.yml:1:10: command: expected text, found a list
job.yml:1:10: command: `${{inputs.dta}}` names nothing in this job; did you mean `inputs.data`?
job.yml:1:10: command: `${{outputs.model}}` names nothing in this job; declare it under `outputs`
job.yml:1:10: command: `${{inputs.x` opens an expression that is never closed with `}}`
job.yml:4:9: inputs.data: `uri_fil` is not one of `uri_file`, `uri_folder`, `mltable`, `custom_model`, `mlflow_model`, `triton_model`; did you mean `uri_file`?
job.yml:4:9: inputs.data.pth: unknown field; did you mean `path`?
job.yml:4:9: inputs.data.typ: unknown field; did you mean `type`?
job.yml:4:9: inputs.data.path: this field is required and is missing
job.yml:4:16: inputs.data.path: `azureml:iris` is not a reference; write `azureml:<name>:<version>` or `azureml:<name>@latest`
job.yml:4:27: inputs.data.mode: `mont` is not one of `ro_mount`, `mount`, `rw_mount`, `download`, `direct`, `eval_mount`, `eval_download`; did you mean `mount`?
job.yml:4:6: inputs.n: `many` is not of type `integer`
job.yml:4:7: inputs.1x: the input or output name `1x` may not start with a digit
job.yml:3:9: inputs: expected a mapping, found a list
job.yml:4:31: outputs.o.path: an output's place cannot be chosen: it is kept with the job; leave `path` out, and set `name` to register it
job.yml:4:16: outputs.o.version: a version needs a `name` to register the output under
job.yml:3:15: distribution: a job is one process on one node here; start further processes in the command
job.yml:3:11: services: interactive services are not started beside jobs; remove this field
job.yml:3:29: resources.instance_count: a job runs on one node here; write 1 or leave it out
job.yml:3:19: limits.timeout: 0 seconds is not between 1 and 2592000
job.yml:3:19: limits.timeout: expected a whole number from 0 up, found the text `1h`
job.yml:3:32: environment_variables.A-B: a variable's name has letters, digits and `_` and starts with no digit; its value has no NUL character
job.yml:3:7: name: the job name `a b` contains ' '; letters, digits and `-_` are allowed
job.yml:2:15: environment.conda_fil: unknown field; did you mean `conda_file`?
job.yml:2:22: environment.build: images are not built here; name an `image` and a `conda_file` instead
job.yml:2:14: environment: an environment needs an `image`, a `conda_file` or `requirements`
"#);
}

#[test]
fn states_have_azures_names() {
    for state in JobState::ALL {
        assert_eq!(
            JobState::parse(&state.as_str().to_lowercase()),
            Some(*state)
        );
    }
    assert_eq!(JobState::parse("Done"), None);
}

#[test]
fn every_phase_has_a_clock() {
    let at = |seconds: i64| Some(Timestamp(seconds * 1_000_000));
    let phases = Phases {
        queued_at: at(0),
        preparing_at: at(2),
        running_at: at(5),
        finalizing_at: None,
        ended_at: at(9),
    };
    let told: Vec<String> = phases
        .seconds(Timestamp(99))
        .iter()
        .map(|(phase, seconds)| format!("{} {seconds}", phase.as_str()))
        .collect();
    assert_eq!(told, ["queued 2", "preparing 3", "running 4"]);
}

proptest! {
    #[test]
    fn odd_documents_never_panic(lines in proptest::collection::vec("(command|inputs|outputs|environment|limits|  a|  path|  type|    b): ?(\\$\\{\\{inputs.a\\}\\}|echo|\\{\\}|\\[\\]|1|uri_file|azureml:x:1|\\$\\[\\[|null)?", 0..8)) {
        let _ = read(&lines.join("\n"));
    }
}
