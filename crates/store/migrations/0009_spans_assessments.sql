-- Spans: the steps of traces. A span that comes again replaces itself. The whole span stands in its content, in the JSON that
-- MLflow's clients write; the other columns are what searches, charts and a trace's totals ask for.
CREATE TABLE spans (
    trace_no BIGINT NOT NULL,
    span_id TEXT NOT NULL,
    parent_span_id TEXT,
    name TEXT NOT NULL,
    type TEXT,
    status TEXT NOT NULL,
    start_ns BIGINT NOT NULL,
    end_ns BIGINT,
    content TEXT NOT NULL,
    tokens TEXT,
    input_cost DOUBLE PRECISION,
    output_cost DOUBLE PRECISION,
    total_cost DOUBLE PRECISION,
    model_name TEXT,
    model_provider TEXT,
    PRIMARY KEY (trace_no, span_id)
);

-- What people, programs and judging models say about traces.
CREATE TABLE assessments (
    trace_no BIGINT NOT NULL,
    assessment_id TEXT NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    error TEXT,
    source_type TEXT NOT NULL,
    source_id TEXT,
    rationale TEXT,
    metadata TEXT,
    run_id TEXT,
    span_id TEXT,
    overrides TEXT,
    valid BIGINT NOT NULL,
    aggregate_value DOUBLE PRECISION,
    is_numeric BIGINT NOT NULL,
    session_scoped BIGINT NOT NULL,
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL,
    PRIMARY KEY (trace_no, assessment_id)
);
CREATE INDEX assessments_by_name ON assessments (name, trace_no);
CREATE INDEX assessments_by_run ON assessments (run_id, trace_no);
