//! The types and fields that MLflow's GraphQL has, as tables. What is answered is what the REST interface answers under the
//! same name in snake case; what protobuf leaves out there is told here by its default.

use super::document::Kind;

/// What a value is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Of {
    Text,
    /// A 64-bit number, answered as text: JavaScript would round it.
    Long,
    Int,
    Float,
    Bool,
    Enum(&'static EnumType),
    Object(&'static ObjectType),
    Input(&'static InputType),
}

impl Of {
    /// The type's name.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Text => "String",
            Self::Long => "LongString",
            Self::Int => "Int",
            Self::Float => "Float",
            Self::Bool => "Boolean",
            Self::Enum(of) => of.name,
            Self::Object(of) => of.name,
            Self::Input(of) => of.name,
        }
    }
}

/// Words to choose from; the first one is the default.
#[derive(Debug)]
pub(super) struct EnumType {
    pub name: &'static str,
    pub words: &'static [&'static str],
}

/// Where a field's value is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// Under the field's name in snake case.
    Member,
    /// Nowhere: errors are told beside the data.
    Nowhere,
    /// With the experiment that a run belongs to.
    ExperimentOfRun,
    /// With the model versions that were made of a run.
    VersionsOfRun,
}

/// A field of an object.
#[derive(Debug)]
pub(super) struct FieldType {
    pub name: &'static str,
    pub of: Of,
    pub list: bool,
    pub source: Source,
    pub argument: Option<InputField>,
}

impl FieldType {
    const fn one(name: &'static str, of: Of) -> Self {
        Self {
            name,
            of,
            list: false,
            source: Source::Member,
            argument: None,
        }
    }

    const fn many(name: &'static str, of: Of) -> Self {
        let mut field = Self::one(name, of);
        field.list = true;
        field
    }

    const fn from(mut self, source: Source) -> Self {
        self.source = source;
        self
    }

    const fn takes(mut self, argument: InputField) -> Self {
        self.argument = Some(argument);
        self
    }

    const fn text(name: &'static str) -> Self {
        Self::one(name, Of::Text)
    }

    const fn long(name: &'static str) -> Self {
        Self::one(name, Of::Long)
    }

    const fn object(name: &'static str, of: &'static ObjectType) -> Self {
        Self::one(name, Of::Object(of))
    }

    const fn objects(name: &'static str, of: &'static ObjectType) -> Self {
        Self::many(name, Of::Object(of))
    }

    /// The type as it is written.
    pub(super) fn shown(&self) -> String {
        let name = self.of.name();
        match (self.list, self.of) {
            (true, Of::Object(_)) => format!("[{name}!]"),
            (true, _) => format!("[{name}]"),
            (false, _) => name.to_owned(),
        }
    }
}

/// An object that is answered.
#[derive(Debug)]
pub(super) struct ObjectType {
    pub name: &'static str,
    pub fields: &'static [FieldType],
}

impl ObjectType {
    /// A field by its name; every object tells its type.
    pub(super) fn field(&self, name: &str) -> Option<&'static FieldType> {
        if name == TYPE_NAME.name {
            return Some(&TYPE_NAME);
        }
        self.fields.iter().find(|field| field.name == name)
    }
}

/// The field that every object has.
pub(super) static TYPE_NAME: FieldType = FieldType::text("__typename");

/// A field of what is sent, or an argument. All may be left out.
#[derive(Debug)]
pub(super) struct InputField {
    pub name: &'static str,
    pub of: Of,
    pub list: bool,
}

impl InputField {
    const fn one(name: &'static str, of: Of) -> Self {
        Self {
            name,
            of,
            list: false,
        }
    }

    const fn text(name: &'static str) -> Self {
        Self::one(name, Of::Text)
    }

    const fn texts(name: &'static str) -> Self {
        Self {
            name,
            of: Of::Text,
            list: true,
        }
    }

    const fn input(of: &'static InputType) -> Self {
        Self::one("input", Of::Input(of))
    }
}

/// An object that is sent.
#[derive(Debug)]
pub(super) struct InputType {
    pub name: &'static str,
    pub fields: &'static [InputField],
}

/// The object whose fields an operation chooses from.
pub(super) const fn root(kind: Kind) -> Option<&'static ObjectType> {
    match kind {
        Kind::Query => Some(&QUERY),
        Kind::Mutation => Some(&MUTATION),
        Kind::Subscription => None,
    }
}

/// Every type that can be reached, by name.
pub(super) fn find(name: &str) -> Option<Of> {
    let simple = [Of::Text, Of::Long, Of::Int, Of::Float, Of::Bool];
    if let Some(found) = simple.into_iter().find(|of| of.name() == name) {
        return Some(found);
    }
    find_below(&QUERY, name).or_else(|| find_below(&MUTATION, name))
}

fn find_below(object: &'static ObjectType, name: &str) -> Option<Of> {
    if object.name == name {
        return Some(Of::Object(object));
    }
    object.fields.iter().find_map(|field| {
        let answered = match field.of {
            Of::Object(of) => find_below(of, name),
            other => Some(other).filter(|of| of.name() == name),
        };
        answered.or_else(|| match field.argument.as_ref()?.of {
            Of::Input(of) if of.name == name => Some(Of::Input(of)),
            Of::Input(of) => {
                let within = of.fields.iter().map(|field| field.of);
                within.into_iter().find(|of| of.name() == name)
            }
            _ => None,
        })
    })
}

static QUERY: ObjectType = ObjectType {
    name: "Query",
    fields: &[
        FieldType::object("mlflowGetExperiment", &GET_EXPERIMENT)
            .takes(InputField::input(&GET_EXPERIMENT_INPUT)),
        FieldType::object("mlflowGetMetricHistoryBulkInterval", &METRIC_HISTORY)
            .takes(InputField::input(&METRIC_HISTORY_INPUT)),
        FieldType::object("mlflowGetRun", &GET_RUN).takes(InputField::input(&GET_RUN_INPUT)),
        FieldType::object("mlflowListArtifacts", &LIST_ARTIFACTS)
            .takes(InputField::input(&LIST_ARTIFACTS_INPUT)),
        FieldType::object("mlflowSearchModelVersions", &SEARCH_VERSIONS)
            .takes(InputField::input(&SEARCH_VERSIONS_INPUT)),
        FieldType::object("test", &TEST).takes(InputField::text("inputString")),
        FieldType::object("mlflowSearchRuns", &SEARCH_RUNS)
            .takes(InputField::input(&SEARCH_RUNS_INPUT)),
    ],
};

static MUTATION: ObjectType = ObjectType {
    name: "Mutation",
    fields: &[
        FieldType::object("mlflowSearchDatasets", &SEARCH_DATASETS)
            .takes(InputField::input(&SEARCH_DATASETS_INPUT)),
        FieldType::object("mlflowSearchRuns", &SEARCH_RUNS)
            .takes(InputField::input(&SEARCH_RUNS_INPUT)),
        FieldType::object("testMutation", &TEST_MUTATION).takes(InputField::text("inputString")),
    ],
};

static TEST: ObjectType = ObjectType {
    name: "Test",
    fields: &[FieldType::text("output")],
};

static TEST_MUTATION: ObjectType = ObjectType {
    name: "TestMutation",
    fields: &[FieldType::text("output")],
};

const API_ERROR: FieldType = FieldType::object("apiError", &ERROR).from(Source::Nowhere);

static ERROR: ObjectType = ObjectType {
    name: "ApiError",
    fields: &[
        FieldType::text("code"),
        FieldType::text("message"),
        FieldType::text("helpUrl"),
        FieldType::text("traceId"),
        FieldType::objects("errorDetails", &ERROR_DETAIL),
    ],
};

static ERROR_DETAIL: ObjectType = ObjectType {
    name: "ErrorDetail",
    fields: &[FieldType::text("field"), FieldType::text("message")],
};

static GET_EXPERIMENT: ObjectType = ObjectType {
    name: "MlflowGetExperimentResponse",
    fields: &[FieldType::object("experiment", &EXPERIMENT), API_ERROR],
};

static EXPERIMENT: ObjectType = ObjectType {
    name: "MlflowExperiment",
    fields: &[
        FieldType::text("experimentId"),
        FieldType::text("name"),
        FieldType::text("artifactLocation"),
        FieldType::text("lifecycleStage"),
        FieldType::long("lastUpdateTime"),
        FieldType::long("creationTime"),
        FieldType::objects("tags", &EXPERIMENT_TAG),
        FieldType::text("effectiveTraceArchivalRetention"),
        FieldType::text("workspace"),
    ],
};

static METRIC_HISTORY: ObjectType = ObjectType {
    name: "MlflowGetMetricHistoryBulkIntervalResponse",
    fields: &[FieldType::objects("metrics", &METRIC_WITH_RUN), API_ERROR],
};

static METRIC_WITH_RUN: ObjectType = ObjectType {
    name: "MlflowMetricWithRunId",
    fields: &[
        FieldType::text("key"),
        FieldType::one("value", Of::Float),
        FieldType::long("timestamp"),
        FieldType::long("step"),
        FieldType::text("runId"),
    ],
};

static GET_RUN: ObjectType = ObjectType {
    name: "MlflowGetRunResponse",
    fields: &[FieldType::object("run", &RUN), API_ERROR],
};

static SEARCH_RUNS: ObjectType = ObjectType {
    name: "MlflowSearchRunsResponse",
    fields: &[
        FieldType::objects("runs", &RUN),
        FieldType::text("nextPageToken"),
        API_ERROR,
    ],
};

static RUN: ObjectType = ObjectType {
    name: "MlflowRunExtension",
    fields: &[
        FieldType::object("info", &RUN_INFO),
        FieldType::object("data", &RUN_DATA),
        FieldType::object("inputs", &RUN_INPUTS),
        FieldType::object("outputs", &RUN_OUTPUTS),
        FieldType::object("experiment", &EXPERIMENT).from(Source::ExperimentOfRun),
        FieldType::objects("modelVersions", &MODEL_VERSION).from(Source::VersionsOfRun),
    ],
};

static RUN_INFO: ObjectType = ObjectType {
    name: "MlflowRunInfo",
    fields: &[
        FieldType::text("runId"),
        FieldType::text("runUuid"),
        FieldType::text("runName"),
        FieldType::text("experimentId"),
        FieldType::text("userId"),
        FieldType::one("status", Of::Enum(&RUN_STATUS)),
        FieldType::long("startTime"),
        FieldType::long("endTime"),
        FieldType::text("artifactUri"),
        FieldType::text("lifecycleStage"),
    ],
};

static RUN_STATUS: EnumType = EnumType {
    name: "MlflowRunStatus",
    words: &["RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"],
};

static RUN_DATA: ObjectType = ObjectType {
    name: "MlflowRunData",
    fields: &[
        FieldType::objects("metrics", &METRIC),
        FieldType::objects("params", &PARAM),
        FieldType::objects("tags", &RUN_TAG),
    ],
};

static METRIC: ObjectType = ObjectType {
    name: "MlflowMetricExtension",
    fields: MEASURED,
};

static MODEL_METRIC: ObjectType = ObjectType {
    name: "MlflowModelMetric",
    fields: MEASURED,
};

const MEASURED: &[FieldType] = &[
    FieldType::text("key"),
    FieldType::one("value", Of::Float),
    FieldType::long("timestamp"),
    FieldType::long("step"),
    FieldType::text("datasetName"),
    FieldType::text("datasetDigest"),
    FieldType::text("modelId"),
    FieldType::text("runId"),
];

const KEY_AND_VALUE: &[FieldType] = &[FieldType::text("key"), FieldType::text("value")];

static PARAM: ObjectType = ObjectType {
    name: "MlflowParam",
    fields: KEY_AND_VALUE,
};

static RUN_TAG: ObjectType = ObjectType {
    name: "MlflowRunTag",
    fields: KEY_AND_VALUE,
};

static EXPERIMENT_TAG: ObjectType = ObjectType {
    name: "MlflowExperimentTag",
    fields: KEY_AND_VALUE,
};

static INPUT_TAG: ObjectType = ObjectType {
    name: "MlflowInputTag",
    fields: KEY_AND_VALUE,
};

static VERSION_TAG: ObjectType = ObjectType {
    name: "MlflowModelVersionTag",
    fields: KEY_AND_VALUE,
};

static RUN_INPUTS: ObjectType = ObjectType {
    name: "MlflowRunInputs",
    fields: &[
        FieldType::objects("datasetInputs", &DATASET_INPUT),
        FieldType::objects("modelInputs", &MODEL_INPUT),
    ],
};

static DATASET_INPUT: ObjectType = ObjectType {
    name: "MlflowDatasetInput",
    fields: &[
        FieldType::objects("tags", &INPUT_TAG),
        FieldType::object("dataset", &DATASET),
    ],
};

static DATASET: ObjectType = ObjectType {
    name: "MlflowDataset",
    fields: &[
        FieldType::text("name"),
        FieldType::text("digest"),
        FieldType::text("sourceType"),
        FieldType::text("source"),
        FieldType::text("schema"),
        FieldType::text("profile"),
    ],
};

static MODEL_INPUT: ObjectType = ObjectType {
    name: "MlflowModelInput",
    fields: &[FieldType::text("modelId")],
};

static RUN_OUTPUTS: ObjectType = ObjectType {
    name: "MlflowRunOutputs",
    fields: &[FieldType::objects("modelOutputs", &MODEL_OUTPUT)],
};

static MODEL_OUTPUT: ObjectType = ObjectType {
    name: "MlflowModelOutput",
    fields: &[FieldType::text("modelId"), FieldType::long("step")],
};

static LIST_ARTIFACTS: ObjectType = ObjectType {
    name: "MlflowListArtifactsResponse",
    fields: &[
        FieldType::text("rootUri"),
        FieldType::objects("files", &FILE_INFO),
        FieldType::text("nextPageToken"),
        API_ERROR,
    ],
};

static FILE_INFO: ObjectType = ObjectType {
    name: "MlflowFileInfo",
    fields: &[
        FieldType::text("path"),
        FieldType::one("isDir", Of::Bool),
        FieldType::long("fileSize"),
    ],
};

static SEARCH_DATASETS: ObjectType = ObjectType {
    name: "MlflowSearchDatasetsResponse",
    fields: &[
        FieldType::objects("datasetSummaries", &DATASET_SUMMARY),
        API_ERROR,
    ],
};

static DATASET_SUMMARY: ObjectType = ObjectType {
    name: "MlflowDatasetSummary",
    fields: &[
        FieldType::text("experimentId"),
        FieldType::text("name"),
        FieldType::text("digest"),
        FieldType::text("context"),
    ],
};

static SEARCH_VERSIONS: ObjectType = ObjectType {
    name: "MlflowSearchModelVersionsResponse",
    fields: &[
        FieldType::objects("modelVersions", &MODEL_VERSION),
        FieldType::text("nextPageToken"),
        API_ERROR,
    ],
};

static MODEL_VERSION: ObjectType = ObjectType {
    name: "MlflowModelVersion",
    fields: &[
        FieldType::text("name"),
        FieldType::text("version"),
        FieldType::long("creationTimestamp"),
        FieldType::long("lastUpdatedTimestamp"),
        FieldType::text("userId"),
        FieldType::text("currentStage"),
        FieldType::text("description"),
        FieldType::text("source"),
        FieldType::text("runId"),
        FieldType::one("status", Of::Enum(&VERSION_STATUS)),
        FieldType::text("statusMessage"),
        FieldType::objects("tags", &VERSION_TAG),
        FieldType::text("runLink"),
        FieldType::many("aliases", Of::Text),
        FieldType::text("modelId"),
        FieldType::objects("modelParams", &MODEL_PARAM),
        FieldType::objects("modelMetrics", &MODEL_METRIC),
        FieldType::object("deploymentJobState", &DEPLOYMENT_JOB),
    ],
};

static VERSION_STATUS: EnumType = EnumType {
    name: "MlflowModelVersionStatus",
    words: &["PENDING_REGISTRATION", "FAILED_REGISTRATION", "READY"],
};

static MODEL_PARAM: ObjectType = ObjectType {
    name: "MlflowModelParam",
    fields: &[FieldType::text("name"), FieldType::text("value")],
};

static DEPLOYMENT_JOB: ObjectType = ObjectType {
    name: "MlflowModelVersionDeploymentJobState",
    fields: &[
        FieldType::text("jobId"),
        FieldType::text("runId"),
        FieldType::one("jobState", Of::Enum(&DEPLOYMENT_CONNECTION)),
        FieldType::one("runState", Of::Enum(&DEPLOYMENT_RUN)),
        FieldType::text("currentTaskName"),
    ],
};

static DEPLOYMENT_CONNECTION: EnumType = EnumType {
    name: "MlflowDeploymentJobConnectionState",
    words: &[
        "DEPLOYMENT_JOB_CONNECTION_STATE_UNSPECIFIED",
        "NOT_SET_UP",
        "CONNECTED",
        "NOT_FOUND",
        "REQUIRED_PARAMETERS_CHANGED",
    ],
};

static DEPLOYMENT_RUN: EnumType = EnumType {
    name: "MlflowModelVersionDeploymentJobStateDeploymentJobRunState",
    words: &[
        "DEPLOYMENT_JOB_RUN_STATE_UNSPECIFIED",
        "NO_VALID_DEPLOYMENT_JOB_FOUND",
        "RUNNING",
        "SUCCEEDED",
        "FAILED",
        "PENDING",
        "APPROVAL",
    ],
};

static VIEW_TYPE: EnumType = EnumType {
    name: "MlflowViewType",
    words: &["ACTIVE_ONLY", "DELETED_ONLY", "ALL"],
};

static GET_EXPERIMENT_INPUT: InputType = InputType {
    name: "MlflowGetExperimentInput",
    fields: &[InputField::text("experimentId")],
};

static GET_RUN_INPUT: InputType = InputType {
    name: "MlflowGetRunInput",
    fields: &[InputField::text("runId"), InputField::text("runUuid")],
};

static METRIC_HISTORY_INPUT: InputType = InputType {
    name: "MlflowGetMetricHistoryBulkIntervalInput",
    fields: &[
        InputField::texts("runIds"),
        InputField::text("metricKey"),
        InputField::one("startStep", Of::Int),
        InputField::one("endStep", Of::Int),
        InputField::one("maxResults", Of::Int),
    ],
};

static LIST_ARTIFACTS_INPUT: InputType = InputType {
    name: "MlflowListArtifactsInput",
    fields: &[
        InputField::text("runId"),
        InputField::text("runUuid"),
        InputField::text("path"),
        InputField::text("pageToken"),
    ],
};

static SEARCH_RUNS_INPUT: InputType = InputType {
    name: "MlflowSearchRunsInput",
    fields: &[
        InputField::texts("experimentIds"),
        InputField::text("filter"),
        InputField::one("runViewType", Of::Enum(&VIEW_TYPE)),
        InputField::one("maxResults", Of::Int),
        InputField::texts("orderBy"),
        InputField::text("pageToken"),
    ],
};

static SEARCH_DATASETS_INPUT: InputType = InputType {
    name: "MlflowSearchDatasetsInput",
    fields: &[InputField::texts("experimentIds")],
};

static SEARCH_VERSIONS_INPUT: InputType = InputType {
    name: "MlflowSearchModelVersionsInput",
    fields: &[
        InputField::text("filter"),
        InputField::one("maxResults", Of::Long),
        InputField::texts("orderBy"),
        InputField::text("pageToken"),
    ],
};
