"""Steps, and the permissions that they need: resource to actions."""

from __future__ import annotations

from typing import Any

HERE = "arn:${AWS::Partition}:%s:${AWS::Region}:${AWS::AccountId}:%s"
RULE = ["events:DescribeRule", "events:PutRule", "events:PutTargets"]


def task(resource: str, arguments: Any = None, **fields: Any) -> dict[str, Any]:
    key = "Arguments" if fields.get("QueryLanguage") == "JSONata" else "Parameters"
    given = {} if arguments is None else {key: arguments}
    return {"Type": "Task", "Resource": f"arn:aws:states:::{resource}", **given, **fields, "End": True}


READS_OF_TABLES = [
    "glue:BatchGetPartition",
    "glue:GetPartition",
    "glue:GetPartitions",
    "glue:GetTable",
    "glue:GetTables",
]

CASES: dict[str, tuple[dict[str, Any], dict[str, list[str]]]] = {
    "function by name": (
        task("lambda:invoke", {"FunctionName": "collect", "Payload.$": "$"}),
        {HERE % ("lambda", "function:collect"): ["lambda:InvokeFunction"]},
    ),
    "function of the stack": (
        task("lambda:invoke.waitForTaskToken", {"FunctionName": "${CollectReviewArn}"}),
        {
            "${CollectReviewArn}": ["lambda:InvokeFunction"],
            "${CollectReviewArn}:*": ["lambda:InvokeFunction"],
        },
    ),
    "function, qualified": (
        task("lambda:invoke", {"FunctionName": "${FArn}", "Qualifier": "live"}),
        {"${FArn}:live": ["lambda:InvokeFunction"]},
    ),
    "function by partial ARN": (
        task("lambda:invoke", {"FunctionName": "123456789012:function:other"}),
        {
            "arn:${AWS::Partition}:lambda:${AWS::Region}:123456789012:function:other": [
                "lambda:InvokeFunction"
            ]
        },
    ),
    "function by ARN": (
        task("aws-sdk:lambda:invoke", {"FunctionName": "arn:aws:lambda:eu-west-1:123456789012:function:x"}),
        {"arn:aws:lambda:eu-west-1:123456789012:function:x": ["lambda:InvokeFunction"]},
    ),
    "topic": (
        task("sns:publish", {"TopicArn": "${EscalationTopic}", "Message.$": "$.text"}),
        {"${EscalationTopic}": ["sns:Publish"]},
    ),
    "one of two topics": (
        task("sns:publish", {"TopicArn": "{% $flow = 'x' ? '${AlarmTopic}' : '${EscalationTopic}' %}"}),
        {"${AlarmTopic}": ["sns:Publish"], "${EscalationTopic}": ["sns:Publish"]},
    ),
    "phone": (task("sns:publish", {"PhoneNumber.$": "$.phone"}), {"*": ["sns:Publish"]}),
    "queue by URL": (
        task("sqs:sendMessage", {"QueueUrl": "https://sqs.eu-west-1.amazonaws.com/123456789012/queue.fifo"}),
        {"arn:${AWS::Partition}:sqs:eu-west-1:123456789012:queue.fifo": ["sqs:SendMessage"]},
    ),
    "queue of the stack": (
        task("sqs:sendMessage.waitForTaskToken", {"QueueUrl": "${Queue}"}),
        {"${Queue.Arn}": ["sqs:SendMessage"]},
    ),
    "queue by a URL of pseudo parameters": (
        task("aws-sdk:sqs:sendMessageBatch", {"QueueUrl": "https://sqs.${R}.amazonaws.com/${A}/q"}),
        {"arn:${AWS::Partition}:sqs:${R}:${A}:q": ["sqs:SendMessage"]},
    ),
    "events on buses": (
        task(
            "events:putEvents",
            {
                "Entries": [
                    {"Source": "a", "DetailType": "b"},
                    {"EventBusName": "mine"},
                    {"EventBusName": "arn:aws:events:eu-west-1:123456789012:event-bus/x"},
                ]
            },
        ),
        {
            HERE % ("events", "event-bus/default"): ["events:PutEvents"],
            HERE % ("events", "event-bus/mine"): ["events:PutEvents"],
            "arn:aws:events:eu-west-1:123456789012:event-bus/x": ["events:PutEvents"],
        },
    ),
    "table, in JSONata": (
        task(
            "dynamodb:updateItem",
            {"TableName": "{% '${LedgerTable}' %}", "Key": "{% $x %}"},
            QueryLanguage="JSONata",
        ),
        {HERE % ("dynamodb", "table/${LedgerTable}"): ["dynamodb:UpdateItem"]},
    ),
    "index of a table": (
        task("aws-sdk:dynamodb:query", {"TableName": "loops", "IndexName": "by-status"}),
        {HERE % ("dynamodb", "table/loops/index/by-status"): ["dynamodb:Query"]},
    ),
    "transaction": (
        task(
            "aws-sdk:dynamodb:transactWriteItems",
            {"TransactItems": [{"Put": {"TableName": "a"}}, {"ConditionCheck": {"TableName": "b"}}]},
        ),
        {
            HERE % ("dynamodb", "table/a"): ["dynamodb:PutItem"],
            HERE % ("dynamodb", "table/b"): ["dynamodb:ConditionCheckItem"],
        },
    ),
    "Glue job": (
        task("glue:startJobRun", {"JobName": "etl"}),
        {HERE % ("glue", "job/etl"): ["glue:StartJobRun"]},
    ),
    "Glue job, waited for": (
        task("glue:startJobRun.sync", {"JobName": "etl"}),
        {
            HERE % ("glue", "job/etl"): [
                "glue:BatchStopJobRun",
                "glue:GetJobRun",
                "glue:GetJobRuns",
                "glue:StartJobRun",
            ]
        },
    ),
    "execution": (
        task(
            "states:startExecution",
            {"StateMachineArn": "arn:aws:states:eu-west-1:123456789012:stateMachine:other"},
        ),
        {"arn:aws:states:eu-west-1:123456789012:stateMachine:other": ["states:StartExecution"]},
    ),
    "execution, called back": (
        task("states:startExecution.waitForTaskToken", {"StateMachineArn": "${Other}"}),
        {"${Other}": ["states:StartExecution"]},
    ),
    "execution, waited for": (
        task(
            "states:startExecution.sync:2",
            {"StateMachineArn": "arn:aws:states:eu-west-1:123456789012:stateMachine:other:prod"},
        ),
        {
            "arn:aws:states:eu-west-1:123456789012:stateMachine:other:prod": ["states:StartExecution"],
            "arn:aws:states:eu-west-1:123456789012:execution:other:*": [
                "states:DescribeExecution",
                "states:StopExecution",
            ],
            HERE % ("events", "rule/StepFunctionsGetEventsForStepFunctionsExecutionRule"): RULE,
        },
    ),
    "execution of the stack, waited for": (
        task("states:startExecution.sync", {"StateMachineArn": "${Other}"}),
        {
            "${Other}": ["states:StartExecution"],
            HERE % ("states", "execution:${Other.Name}:*"): [
                "states:DescribeExecution",
                "states:StopExecution",
            ],
            HERE % ("events", "rule/StepFunctionsGetEventsForStepFunctionsExecutionRule"): RULE,
        },
    ),
    "training": (
        task(
            "sagemaker:createTrainingJob.sync",
            {"TrainingJobName.$": "$$.Execution.Name", "RoleArn": "arn:aws:iam::123456789012:role/Train"},
        ),
        {
            HERE % ("sagemaker", "training-job/*"): [
                "sagemaker:AddTags",
                "sagemaker:CreateTrainingJob",
                "sagemaker:DescribeTrainingJob",
                "sagemaker:ListTags",
                "sagemaker:StopTrainingJob",
            ],
            "arn:aws:iam::123456789012:role/Train": ["iam:PassRole"],
            HERE % ("events", "rule/StepFunctionsGetEventsForSageMakerTrainingJobsRule"): RULE,
        },
    ),
    "training, name in part known": (
        task(
            "sagemaker:createTrainingJob",
            {"TrainingJobName.$": "States.Format('Retrain-{}', $.name)", "RoleArn": "Train"},
        ),
        {
            HERE % ("sagemaker", "training-job/retrain-*"): [
                "sagemaker:AddTags",
                "sagemaker:CreateTrainingJob",
                "sagemaker:ListTags",
            ],
            "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/Train": ["iam:PassRole"],
        },
    ),
    "endpoint": (
        task("sagemaker:updateEndpoint", {"EndpointName": "Model", "EndpointConfigName": "New"}),
        {
            HERE % ("sagemaker", "endpoint/model"): ["sagemaker:UpdateEndpoint"],
            HERE % ("sagemaker", "endpoint-config/new"): ["sagemaker:UpdateEndpoint"],
        },
    ),
    "tuning": (
        task(
            "sagemaker:createHyperParameterTuningJob",
            {"HyperParameterTuningJobName": "t", "TrainingJobDefinition": {"RoleArn": "Train"}},
        ),
        {
            HERE % ("sagemaker", "hyper-parameter-tuning-job/t"): [
                "sagemaker:AddTags",
                "sagemaker:CreateHyperParameterTuningJob",
                "sagemaker:ListTags",
            ],
            "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/Train": ["iam:PassRole"],
        },
    ),
    "model": (
        task("sagemaker:createModel", {"ModelName": "m", "ExecutionRoleArn": "Serve"}),
        {
            HERE % ("sagemaker", "model/m"): ["sagemaker:CreateModel"],
            "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/Serve": ["iam:PassRole"],
        },
    ),
    "pipeline": (
        task("aws-sdk:sagemaker:startPipelineExecution", {"PipelineName": "Retrain"}),
        {HERE % ("sagemaker", "pipeline/retrain"): ["sagemaker:StartPipelineExecution"]},
    ),
    "human loop": (
        task(
            "aws-sdk:sagemakera2iruntime:startHumanLoop",
            {
                "FlowDefinitionArn": "arn:aws:sagemaker:eu-west-1:123456789012:flow-definition/f",
                "HumanLoopName.$": "$.n",
            },
        ),
        {"arn:aws:sagemaker:eu-west-1:123456789012:flow-definition/f": ["sagemaker:StartHumanLoop"]},
    ),
    "human loop's end": (
        task(
            "aws-sdk:sagemakera2iruntime:stopHumanLoop",
            {"HumanLoopName": "{% 'invoice-' & $states.input.id %}"},
            QueryLanguage="JSONata",
        ),
        {HERE % ("sagemaker", "human-loop/invoice-*"): ["sagemaker:StopHumanLoop"]},
    ),
    "Textract with a human loop": (
        task(
            "aws-sdk:textract:analyzeDocument",
            {
                "Document": {"S3Object": {"Bucket": "documents", "Name.$": "States.Format('in/{}', $.key)"}},
                "HumanLoopConfig": {
                    "HumanLoopName.$": "$.name",
                    "FlowDefinitionArn": "arn:aws:sagemaker:eu-west-1:123456789012:flow-definition/f",
                },
            },
        ),
        {
            "*": ["textract:AnalyzeDocument"],
            "arn:${AWS::Partition}:s3:::documents/in/*": ["s3:GetObject"],
            "arn:aws:sagemaker:eu-west-1:123456789012:flow-definition/f": ["sagemaker:StartHumanLoop"],
        },
    ),
    "Rekognition": (
        task("aws-sdk:rekognition:detectModerationLabels", {"Image": {"Bytes.$": "$.bytes"}}),
        {"*": ["rekognition:DetectModerationLabels"]},
    ),
    "object": (
        task("aws-sdk:s3:getObject", {"Bucket": "${ReviewBucket}", "Key": "reviews/all.json"}),
        {"arn:${AWS::Partition}:s3:::${ReviewBucket}/reviews/all.json": ["s3:GetObject"]},
    ),
    "object, key in part known": (
        task(
            "aws-sdk:s3:putObject",
            {"Bucket": "b", "Key": "{% 'a/' & $states.input.id & '.json' %}", "Body": "{% $x %}"},
            QueryLanguage="JSONata",
        ),
        {"arn:${AWS::Partition}:s3:::b/a/*.json": ["s3:PutObject"]},
    ),
    "copy": (
        task("aws-sdk:s3:copyObject", {"Bucket": "b", "Key": "k", "CopySource": "other/from"}),
        {
            "arn:${AWS::Partition}:s3:::b/k": ["s3:PutObject"],
            "arn:${AWS::Partition}:s3:::other/from": ["s3:GetObject"],
        },
    ),
    "list": (
        task("aws-sdk:s3:listObjectsV2", {"Bucket": "b", "Prefix": "reviews/"}),
        {"arn:${AWS::Partition}:s3:::b": ["s3:ListBucket"]},
    ),
    "list of buckets": (task("aws-sdk:s3:listBuckets", {}), {"*": ["s3:ListAllMyBuckets"]}),
    "whole bucket": (
        task("aws-sdk:s3:listObjectsV2", {"Bucket": "arn:aws:s3:::b"}),
        {"arn:aws:s3:::b": ["s3:ListBucket"]},
    ),
    "list of human loops": (
        task("aws-sdk:sagemakera2iruntime:listHumanLoops", {"FlowDefinitionArn": "arn:aws:sagemaker:x"}),
        {"*": ["sagemaker:ListHumanLoops"]},
    ),
    "other names": (
        task("aws-sdk:sfn:startExecution", {"StateMachineArn": "${Other}"}),
        {"${Other}": ["states:StartExecution"]},
    ),
    "log events": (
        task("aws-sdk:cloudwatchlogs:putLogEvents", {"LogGroupName": "/a/b", "LogStreamName.$": "$.s"}),
        {HERE % ("logs", "log-group:/a/b:*"): ["logs:PutLogEvents"]},
    ),
    "secret": (
        task("aws-sdk:secretsmanager:getSecretValue", {"SecretId": "slack"}),
        {HERE % ("secretsmanager", "secret:slack-??????"): ["secretsmanager:GetSecretValue"]},
    ),
    "parameter": (
        task("aws-sdk:ssm:getParameter", {"Name": "/a/b"}),
        {HERE % ("ssm", "parameter/a/b"): ["ssm:GetParameter"]},
    ),
    "events by the SDK": (
        task("aws-sdk:eventbridge:putEvents", {"Entries": [{}]}),
        {HERE % ("events", "event-bus/default"): ["events:PutEvents"]},
    ),
    "model inference": (
        task("aws-sdk:bedrockruntime:invokeModel", {"ModelId": "amazon.nova-lite-v1:0"}),
        {
            "arn:${AWS::Partition}:bedrock:${AWS::Region}::foundation-model/amazon.nova-lite-v1:0": [
                "bedrock:InvokeModel"
            ]
        },
    ),
    "profile of several Regions": (
        task("bedrock:invokeModel", {"ModelId": "eu.amazon.nova-lite-v1:0", "Body": {}}),
        {
            HERE % ("bedrock", "inference-profile/eu.amazon.nova-lite-v1:0"): ["bedrock:InvokeModel"],
            "arn:${AWS::Partition}:bedrock:*::foundation-model/amazon.nova-lite-v1:0": [
                "bedrock:InvokeModel"
            ],
        },
    ),
    "profile by ARN": (
        task(
            "aws-sdk:bedrockruntime:converse",
            {"ModelId": "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us-gov.anthropic.c-v1:0"},
        ),
        {
            "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us-gov.anthropic.c-v1:0": [
                "bedrock:InvokeModel"
            ],
            "arn:${AWS::Partition}:bedrock:*::foundation-model/anthropic.c-v1:0": ["bedrock:InvokeModel"],
        },
    ),
    "provisioned model with S3 and a guardrail": (
        task(
            "bedrock:invokeModel",
            {
                "ModelId": "arn:aws:bedrock:eu-west-1:123456789012:provisioned-model/p",
                "Input": {"S3Uri": "s3://prompts/reviews/${Stage}.json"},
                "Output": {"S3Uri.$": "States.Format('s3://answers/{}.json', $.id)"},
                "GuardrailIdentifier": "g1",
            },
        ),
        {
            "arn:aws:bedrock:eu-west-1:123456789012:provisioned-model/p": ["bedrock:InvokeModel"],
            "arn:${AWS::Partition}:s3:::prompts/reviews/${Stage}.json": ["s3:GetObject"],
            "arn:${AWS::Partition}:s3:::answers/*.json": ["s3:PutObject"],
            HERE % ("bedrock", "guardrail/g1"): ["bedrock:ApplyGuardrail"],
        },
    ),
    "guardrail alone": (
        task("aws-sdk:bedrockruntime:applyGuardrail", {"GuardrailIdentifier": "g1"}),
        {HERE % ("bedrock", "guardrail/g1"): ["bedrock:ApplyGuardrail"]},
    ),
    "knowledge base": (
        task("aws-sdk:bedrockagentruntime:retrieve", {"KnowledgeBaseId": "K"}),
        {HERE % ("bedrock", "knowledge-base/K"): ["bedrock:Retrieve"]},
    ),
    "customization of a model": (
        task(
            "bedrock:createModelCustomizationJob.sync",
            {
                "BaseModelIdentifier": "amazon.nova-lite-v1:0",
                "CustomModelName": "reviews",
                "RoleArn": "Customize",
            },
        ),
        {
            "arn:${AWS::Partition}:bedrock:${AWS::Region}::foundation-model/amazon.nova-lite-v1:0": [
                "bedrock:CreateModelCustomizationJob"
            ],
            HERE % ("bedrock", "custom-model/reviews*"): ["bedrock:CreateModelCustomizationJob"],
            HERE % ("bedrock", "model-customization-job/*"): [
                "bedrock:GetModelCustomizationJob",
                "bedrock:StopModelCustomizationJob",
            ],
            "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/Customize": ["iam:PassRole"],
        },
    ),
    "query of reviews": (
        task(
            "athena:startQueryExecution.sync",
            {
                "QueryString": "SELECT 1",
                "WorkGroup": "${ReviewWorkgroup}",
                "QueryExecutionContext": {"Database": "${ReviewDatabase}"},
            },
        ),
        {
            HERE % ("athena", "workgroup/${ReviewWorkgroup}"): [
                "athena:GetQueryExecution",
                "athena:StartQueryExecution",
                "athena:StopQueryExecution",
            ],
            HERE % ("athena", "datacatalog/AwsDataCatalog"): ["athena:GetDataCatalog"],
            HERE % ("glue", "catalog"): ["glue:GetDatabase", *READS_OF_TABLES],
            HERE % ("glue", "database/${ReviewDatabase}"): ["glue:GetDatabase", *READS_OF_TABLES],
            HERE % ("glue", "table/${ReviewDatabase}/*"): READS_OF_TABLES,
            "arn:${AWS::Partition}:s3:::${ReviewBucket}": [
                "s3:GetBucketLocation",
                "s3:ListBucket",
                "s3:ListBucketMultipartUploads",
            ],
            "arn:${AWS::Partition}:s3:::${ReviewBucket}/reviews/*": ["s3:GetObject"],
            "arn:${AWS::Partition}:s3:::${ReviewBucket}/query-results/*": [
                "s3:AbortMultipartUpload",
                "s3:GetObject",
                "s3:ListMultipartUploadParts",
                "s3:PutObject",
            ],
        },
    ),
    "API": (
        task(
            "apigateway:invoke",
            {
                "ApiEndpoint": "a1b2.execute-api.eu-west-1.amazonaws.com",
                "Method": "POST",
                "Stage": "prod",
                "Path.$": "States.Format('/orders/{}', $.id)",
                "AuthType": "IAM_ROLE",
            },
        ),
        {
            "arn:${AWS::Partition}:execute-api:eu-west-1:${AWS::AccountId}:a1b2/prod/POST/orders/*": [
                "execute-api:Invoke"
            ]
        },
    ),
    "API without authorization": (
        task(
            "apigateway:invoke", {"ApiEndpoint": "a1b2.execute-api.eu-west-1.amazonaws.com", "Method": "GET"}
        ),
        {},
    ),
    "schedule": (
        task(
            "aws-sdk:scheduler:createSchedule",
            {
                "Name.$": "States.Format('remind-{}', $.id)",
                "Target": {"RoleArn": "arn:aws:iam::123456789012:role/S"},
            },
        ),
        {
            HERE % ("scheduler", "schedule/default/remind-*"): ["scheduler:CreateSchedule"],
            "arn:aws:iam::123456789012:role/S": ["iam:PassRole"],
        },
    ),
    "schedule of a group": (
        task("aws-sdk:scheduler:deleteSchedule", {"Name": "n", "GroupName": "reviews"}),
        {HERE % ("scheduler", "schedule/reviews/n"): ["scheduler:DeleteSchedule"]},
    ),
    "group of schedules": (
        task("aws-sdk:scheduler:createScheduleGroup", {"Name": "reviews"}),
        {HERE % ("scheduler", "schedule-group/reviews"): ["scheduler:CreateScheduleGroup"]},
    ),
    "task of ECS": (
        task(
            "ecs:runTask.sync",
            {
                "TaskDefinition": "train",
                "Cluster": "arn:aws:ecs:eu-west-1:123456789012:cluster/c",
                "Overrides": {"TaskRoleArn": "Run", "ExecutionRoleArn": "Start"},
            },
        ),
        {
            HERE % ("ecs", "task-definition/train:*"): ["ecs:RunTask"],
            "arn:aws:ecs:eu-west-1:123456789012:task/c/*": ["ecs:DescribeTasks", "ecs:StopTask"],
            "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/Run": ["iam:PassRole"],
            "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/Start": ["iam:PassRole"],
            HERE % ("events", "rule/StepFunctionsGetEventsForECSTaskRule"): RULE,
        },
    ),
    "job of Batch": (
        task("batch:submitJob.sync", {"JobName": "n", "JobDefinition": "d:3", "JobQueue": "q"}),
        {
            HERE % ("batch", "job-definition/d:3"): ["batch:SubmitJob"],
            HERE % ("batch", "job-queue/q"): ["batch:SubmitJob"],
            "*": ["batch:DescribeJobs"],
            HERE % ("batch", "job/*"): ["batch:TerminateJob"],
            HERE % ("events", "rule/StepFunctionsGetEventsForBatchJobsRule"): RULE,
        },
    ),
    "crawler": (
        task("aws-sdk:glue:startCrawler", {"Name": "c"}),
        {HERE % ("glue", "crawler/c"): ["glue:StartCrawler"]},
    ),
    "job of Comprehend": (
        task(
            "aws-sdk:comprehend:startPiiEntitiesDetectionJob",
            {"DataAccessRoleArn": "arn:aws:iam::123456789012:role/Read"},
        ),
        {
            HERE % ("comprehend", "pii-entities-detection-job/*"): [
                "comprehend:StartPiiEntitiesDetectionJob"
            ],
            "arn:aws:iam::123456789012:role/Read": ["iam:PassRole"],
        },
    ),
    "entities in a text": (
        task("aws-sdk:comprehend:detectEntities", {"Text": "x"}),
        {"*": ["comprehend:DetectEntities"]},
    ),
    "Textract, in the background": (
        task(
            "aws-sdk:textract:startDocumentAnalysis",
            {
                "DocumentLocation": {"S3Object": {"Bucket": "in", "Name": "a.pdf"}},
                "NotificationChannel": {"RoleArn": "Notify", "SNSTopicArn": "${T}"},
                "OutputConfig": {"S3Bucket": "out", "S3Prefix": "pages"},
            },
        ),
        {
            "*": ["textract:StartDocumentAnalysis"],
            "arn:${AWS::Partition}:s3:::in/a.pdf": ["s3:GetObject"],
            "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/Notify": ["iam:PassRole"],
            "arn:${AWS::Partition}:s3:::out/pages/*": ["s3:PutObject"],
        },
    ),
    "faces of a collection": (
        task("aws-sdk:rekognition:searchFaces", {"CollectionId": "people", "FaceId": "f"}),
        {HERE % ("rekognition", "collection/people"): ["rekognition:SearchFaces"]},
    ),
    "labels of a model": (
        task(
            "aws-sdk:rekognition:detectCustomLabels",
            {
                "ProjectVersionArn": "arn:aws:rekognition:eu-west-1:123456789012:project/p/version/v/1",
                "Image": {"S3Object": {"Bucket": "in", "Name": "a.png"}},
            },
        ),
        {
            "arn:aws:rekognition:eu-west-1:123456789012:project/p/version/v/1": [
                "rekognition:DetectCustomLabels"
            ],
            "arn:${AWS::Partition}:s3:::in/a.png": ["s3:GetObject"],
        },
    ),
    "email": (
        task(
            "aws-sdk:sesv2:sendEmail",
            {
                "FromEmailAddress": "Reviews <reviews@example.com>",
                "Content": {"Template": {"TemplateName": "done"}},
                "ConfigurationSetName": "c",
            },
        ),
        {
            HERE % ("ses", "identity/reviews@example.com"): ["ses:SendEmail"],
            HERE % ("ses", "identity/example.com"): ["ses:SendEmail"],
            HERE % ("ses", "template/done"): ["ses:SendEmail"],
            HERE % ("ses", "configuration-set/c"): ["ses:SendEmail"],
        },
    ),
    "objects deleted together": (
        task(
            "aws-sdk:s3:deleteObjects",
            {"Bucket": "b", "Delete": {"Objects": [{"Key": "a"}, {"Key": "c", "VersionId": "1"}]}},
        ),
        {
            "arn:${AWS::Partition}:s3:::b/a": ["s3:DeleteObject"],
            "arn:${AWS::Partition}:s3:::b/c": ["s3:DeleteObjectVersion"],
        },
    ),
    "version of an object": (
        task("aws-sdk:s3:getObject", {"Bucket": "b", "Key": "k", "VersionId.$": "$.v"}),
        {"arn:${AWS::Partition}:s3:::b/k": ["s3:GetObjectVersion"]},
    ),
    "object with tags": (
        task("aws-sdk:s3:putObject", {"Bucket": "b", "Key": "k", "Body": "x", "Tagging": "a=b"}),
        {"arn:${AWS::Partition}:s3:::b/k": ["s3:PutObject", "s3:PutObjectTagging"]},
    ),
    "versions of a bucket": (
        task("aws-sdk:s3:listObjectVersions", {"Bucket": "b"}),
        {"arn:${AWS::Partition}:s3:::b": ["s3:ListBucketVersions"]},
    ),
    "PartiQL": (
        task(
            "aws-sdk:dynamodb:executeStatement", {"Statement": 'SELECT * FROM "counts"."by-day" WHERE a = ?'}
        ),
        {HERE % ("dynamodb", "table/counts/index/by-day"): ["dynamodb:PartiQLSelect"]},
    ),
    "PartiQL, several": (
        task(
            "aws-sdk:dynamodb:batchExecuteStatement",
            {
                "Statements": [
                    {"Statement": "INSERT INTO counts VALUE {}"},
                    {"Statement": "UPDATE ${LedgerTable} SET a=1"},
                ]
            },
        ),
        {
            HERE % ("dynamodb", "table/counts"): ["dynamodb:PartiQLInsert"],
            HERE % ("dynamodb", "table/${LedgerTable}"): ["dynamodb:PartiQLUpdate"],
        },
    ),
    "items of tables": (
        task("aws-sdk:dynamodb:batchWriteItem", {"RequestItems": {"a": [], "b.$": "$.items"}}),
        {
            HERE % ("dynamodb", "table/a"): ["dynamodb:BatchWriteItem"],
            HERE % ("dynamodb", "table/b"): ["dynamodb:BatchWriteItem"],
        },
    ),
    "Aurora": (
        task(
            "aws-sdk:rdsdata:executeStatement",
            {
                "ResourceArn": "arn:aws:rds:eu-west-1:123456789012:cluster:c",
                "SecretArn": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:s-a1b2c3",
            },
        ),
        {
            "arn:aws:rds:eu-west-1:123456789012:cluster:c": ["rds-data:ExecuteStatement"],
            "arn:aws:secretsmanager:eu-west-1:123456789012:secret:s-a1b2c3": [
                "secretsmanager:GetSecretValue"
            ],
        },
    ),
    "Redshift": (
        task(
            "aws-sdk:redshiftdata:executeStatement",
            {
                "ClusterIdentifier": "c",
                "SecretArn": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:s-a1b2c3",
            },
        ),
        {
            HERE % ("redshift", "cluster:c"): ["redshift-data:ExecuteStatement"],
            "arn:aws:secretsmanager:eu-west-1:123456789012:secret:s-a1b2c3": [
                "secretsmanager:GetSecretValue"
            ],
        },
    ),
    "endpoint's answer": (
        task("aws-sdk:sagemakerruntime:invokeEndpoint", {"EndpointName": "m"}),
        {HERE % ("sagemaker", "endpoint/m"): ["sagemaker:InvokeEndpoint"]},
    ),
    "record of features": (
        task("aws-sdk:sagemakerfeaturestoreruntime:putRecord", {"FeatureGroupName": "reviews"}),
        {HERE % ("sagemaker", "feature-group/reviews"): ["sagemaker:PutRecord"]},
    ),
    "parameters": (
        task("aws-sdk:ssm:getParameters", {"Names": ["/a/b", "c"]}),
        {
            HERE % ("ssm", "parameter/a/b"): ["ssm:GetParameters"],
            HERE % ("ssm", "parameter/c"): ["ssm:GetParameters"],
        },
    ),
    "parameters below a path": (
        task("aws-sdk:ssm:getParametersByPath", {"Path": "/a/"}),
        {
            HERE % ("ssm", "parameter/a"): ["ssm:GetParametersByPath"],
            HERE % ("ssm", "parameter/a/*"): ["ssm:GetParametersByPath"],
        },
    ),
    "alarm": (
        task("aws-sdk:cloudwatch:setAlarmState", {"AlarmName": "a"}),
        {HERE % ("cloudwatch", "alarm:a"): ["cloudwatch:SetAlarmState"]},
    ),
    "metric": (
        task("aws-sdk:cloudwatch:putMetricData", {"Namespace": "n"}),
        {"*": ["cloudwatch:PutMetricData"]},
    ),
    "HTTP": (
        task(
            "http:invoke",
            {
                "ApiEndpoint": "https://hooks.example.com/x",
                "Method": "POST",
                "Authentication": {"ConnectionArn": "arn:aws:events:eu-west-1:123456789012:connection/c/1"},
            },
        ),
        {
            "*": ["states:InvokeHTTPEndpoint"],
            "arn:aws:events:eu-west-1:123456789012:connection/c/1": ["events:RetrieveConnectionCredentials"],
            HERE % ("secretsmanager", "secret:events!connection/*"): [
                "secretsmanager:DescribeSecret",
                "secretsmanager:GetSecretValue",
            ],
        },
    ),
    "another account": (
        task(
            "lambda:invoke",
            {"FunctionName.$": "$.f"},
            Credentials={"RoleArn": "arn:aws:iam::210987654321:role/there"},
        ),
        {"arn:aws:iam::210987654321:role/there": ["sts:AssumeRole"]},
    ),
    "function, directly": (
        {"Type": "Task", "Resource": "arn:aws:lambda:eu-west-1:123456789012:function:x", "End": True},
        {"arn:aws:lambda:eu-west-1:123456789012:function:x": ["lambda:InvokeFunction"]},
    ),
    "activity": (
        {"Type": "Task", "Resource": "arn:aws:states:eu-west-1:123456789012:activity:x", "End": True},
        {},
    ),
    "Distributed Map": (
        {
            "Type": "Map",
            "ItemReader": {
                "Resource": "arn:aws:states:::s3:getObject",
                "ReaderConfig": {"InputType": "JSONL"},
                "Parameters": {"Bucket": "in", "Key": "list.jsonl"},
            },
            "ResultWriter": {
                "Resource": "arn:aws:states:::s3:putObject",
                "Parameters": {"Bucket": "out", "Prefix": "run/"},
            },
            "ItemProcessor": {
                "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
                "StartAt": "Inside",
                "States": {"Inside": task("sns:publish", {"TopicArn": "${T}"})},
            },
            "End": True,
        },
        {
            HERE % ("states", "stateMachine:afterloop-${Stage}"): ["states:StartExecution"],
            HERE % ("states", "execution:afterloop-${Stage}/*"): [
                "states:DescribeExecution",
                "states:RedriveExecution",
                "states:StopExecution",
            ],
            "arn:${AWS::Partition}:s3:::in/list.jsonl": ["s3:GetObject"],
            "arn:${AWS::Partition}:s3:::out/run/*": [
                "s3:AbortMultipartUpload",
                "s3:GetObject",
                "s3:ListMultipartUploadParts",
                "s3:PutObject",
            ],
            "${T}": ["sns:Publish"],
        },
    ),
}
