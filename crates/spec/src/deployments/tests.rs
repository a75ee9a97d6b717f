use super::*;
use crate::yaml::Document;

const TREE: &str = "tree:0123456789012345678901234567890123456789012345678901234567890123";

fn read(text: &str) -> Result<DeploymentSpec, String> {
    let text = text.replace("TREE", TREE);
    DeploymentSpec::read(
        &Document::parse("deployment.yml", &text).unwrap(),
        None,
        None,
    )
    .map_err(|error| error.to_string())
}

#[test]
fn azures_file_is_read_with_its_defaults() {
    let spec = read(
        "$schema: x\nname: blue\nendpoint_name: my-endpoint\nmodel:\n  path: TREE\ncode_configuration:\n  code: TREE\n  scoring_script: score.py\n\
         environment:\n  conda_file:\n    dependencies: [numpy]\n  image: mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04:latest\n\
         instance_type: Standard_DS3_v2\ninstance_count: 1\negress_public_network_access: disabled\n",
    )
    .unwrap();
    assert_eq!(spec.request_settings.request_timeout_ms, 5_000);
    assert_eq!(spec.readiness_probe.patience_seconds(), 310);
    assert_eq!(
        serde_json::from_str::<DeploymentSpec>(&serde_json::to_string(&spec).unwrap()).unwrap(),
        spec
    );
}

#[test]
fn an_mlflow_model_needs_nothing_else() {
    let spec = read("name: blue\nendpoint_name: abc\nmodel: azureml:heart@latest\n").unwrap();
    assert_eq!(
        spec.model,
        Some(ModelSource::Reference("azureml:heart@latest".to_owned()))
    );
    assert_eq!(spec.instance_count, 1);
}

#[test]
fn mistakes_are_told() {
    let told = |text: &str| read(&format!("name: blue\nendpoint_name: abc\n{text}")).unwrap_err();
    assert!(told("").contains("needs a model, a scoring script"));
    assert!(told("model: heart").contains("does not name a model"));
    assert!(told("model: {path: ./model}").contains("is a path on your machine"));
    assert!(told("model: {pth: TREE}").contains("did you mean `path`"));
    assert!(told("model: {path: TREE, type: triton_model}").contains("cannot be deployed"));
    assert!(
        told("code_configuration: {code: TREE, scoring_script: score.py}")
            .contains("needs an environment")
    );
    assert!(
        told("code_configuration: {code: TREE, scoring_script: ../score.py}\nenvironment: x")
            .contains("inside the code folder")
    );
    assert!(told("model: azureml:m:1\ninstance_count: 0").contains("not between 1 and 50"));
    assert!(
        told("model: azureml:m:1\nrequest_settings: {request_timeout_ms: 999999}")
            .contains("not between 1 and 180000")
    );
    assert!(told("model: azureml:m:1\ninstance_cout: 1").contains("did you mean `instance_count`"));
    assert!(
        read("name: blue\nmodel: azureml:m:1")
            .unwrap_err()
            .contains("endpoint")
    );
}
