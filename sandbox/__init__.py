"""The whole of Afterloop on one machine, without an AWS account.

    engine.py            Sandbox: starts and ends it; boto3 clients for it; `python -m sandbox serve` does the same
    clients.py           sandbox.flow_definitions, .loops, .events: what people and A2I do to human loops
    samples.py           invented predictions and answers, in the services' own shapes
    cli.py               the command `python deploy.py local`; local.py: what it does and shows

Inside the child process:

    server.py            one process, one socket: MiniStack's ASGI app and ours, by hypercorn
    app.py               which request is for whom; who may call what
    protocol.py          requests and responses by botocore's service models
    a2i.py               flow definitions and human loops, and how they end
    ai_services.py       Textract's AnalyzeDocument and Rekognition's DetectModerationLabels start loops
    activation.py        whether a prediction needs people
    effects.py           what loops do to S3 and EventBridge
    control_routes.py    /_sandbox/…, which clients.py calls
    ministack_patches.py where MiniStack differs from AWS; resource_types.py: what its CloudFormation lacks
"""
