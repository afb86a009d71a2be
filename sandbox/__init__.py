"""Afterloop on one machine, without an AWS account.

    engine.py            Sandbox: starts and ends the engine, and creates boto3 clients for it
    clients.py           sandbox.flow_definitions, .loops, .events: what workers and A2I do to human loops
    faults.py            sandbox.faults: services that throttle, fail or lose answers, processes that die
    canned_results.py    sandbox.canned_results: what tasks get in place of a call, from a file or a test
    canned_file.py       a file of canned results that the engine follows
    integration_names.py which service integrations exist, and which operations they call
    supported.py         what the engine runs: sdk_actions.json has the actions of AWS SDK integrations
    probing.py           asks MiniStack for these actions, and writes the file
    identity.py          the address, and the random keys of a run
    environments.py      what the engine, functions and clients find in their environment
    exports.py           the file with which a shell connects to the engine
    control.py           the HTTP client of /_sandbox/…, for clients.py and faults.py
    samples.py           sample predictions and answers, as the services would return them
    sample_flows.py      the flow definitions of the samples, and what their tasks ask of a worker
    reviewers.py         the tasks that wait, for the pages of the console
    pictures.py          draws the documents and images of the samples
    invented_reviews.py  hundreds or thousands of reviews for the report
    cli.py               the command `python deploy.py local`
    local.py             what the command does and shows

In the child process:

    server.py            one process and one socket for MiniStack's ASGI app and the sandbox's own
    gate.py              which requests reach the engine: address, origin, token, signature
    signatures.py        who signed a request
    app.py               routes requests and checks permissions
    protocol.py          parses requests and writes responses, according to botocore's service models
    a2i.py               flow definitions and human loops
    ai_services.py       Textract's AnalyzeDocument and Rekognition's DetectModerationLabels
    training.py          training jobs that train nothing
    activation.py        activation conditions: whether workers review a prediction
    effects.py           writes outputs to S3 and sends events to EventBridge
    control_routes.py    /_sandbox/…
    ministack_patches/   corrections where MiniStack differs from AWS
    fault_points.py      where requests, tasks and rules meet faults
    fault_rules.py       which calls meet a fault
    fault_errors.py      how a service words a fault
    aws_calls.py         which operation of which service a call is for
    resource_types.py    CloudFormation resource types that MiniStack lacks
"""
