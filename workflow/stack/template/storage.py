"""The ledger, the tokens of waiting workflows and the bucket of reviews, which are kept when the stack is deleted."""

from __future__ import annotations

from troposphere import GetAtt, If, Ref, Sub, Template, dynamodb, s3

from workflow.stack.template.policies import policy, tls_only
from workflow.stack.template.tags import tags

__all__ = ["add_data"]


def add_data(template: Template) -> None:
    """Adds the tables and the bucket. All stay when the stack is deleted."""
    template.add_resource(
        dynamodb.Table(
            "LedgerTable",
            DeletionPolicy="Retain",
            UpdateReplacePolicy="Retain",
            BillingMode="PAY_PER_REQUEST",
            DeletionProtectionEnabled=If("Protected", True, False),
            KeySchema=[dynamodb.KeySchema(AttributeName="humanLoopName", KeyType="HASH")],
            AttributeDefinitions=[
                dynamodb.AttributeDefinition(AttributeName=name, AttributeType="S")
                for name in ("createdAt", "flowDefinitionArn", "humanLoopName", "outcome", "status")
            ],
            GlobalSecondaryIndexes=[
                dynamodb.GlobalSecondaryIndex(
                    IndexName=index,
                    KeySchema=[
                        dynamodb.KeySchema(AttributeName=key, KeyType="HASH"),
                        dynamodb.KeySchema(AttributeName="createdAt", KeyType="RANGE"),
                    ],
                    Projection=dynamodb.Projection(ProjectionType="ALL"),
                )
                for index, key in (
                    ("by-flow-definition", "flowDefinitionArn"),
                    ("by-outcome", "outcome"),
                    ("by-status", "status"),
                )
            ],
            PointInTimeRecoverySpecification=dynamodb.PointInTimeRecoverySpecification(
                PointInTimeRecoveryEnabled=True
            ),
            SSESpecification=dynamodb.SSESpecification(SSEEnabled=True),
            Tags=tags(),
        )
    )
    template.add_resource(
        dynamodb.Table(
            # Apart from the ledger, which the state machine writes to: whoever has a token can answer for the people.
            "TokenTable",
            DeletionPolicy="Retain",
            UpdateReplacePolicy="Retain",
            BillingMode="PAY_PER_REQUEST",
            DeletionProtectionEnabled=If("Protected", True, False),
            KeySchema=[dynamodb.KeySchema(AttributeName="humanLoopName", KeyType="HASH")],
            AttributeDefinitions=[
                dynamodb.AttributeDefinition(AttributeName="humanLoopName", AttributeType="S")
            ],
            PointInTimeRecoverySpecification=dynamodb.PointInTimeRecoverySpecification(
                PointInTimeRecoveryEnabled=True
            ),
            SSESpecification=dynamodb.SSESpecification(SSEEnabled=True),
            Tags=tags(),
        )
    )
    bucket = template.add_resource(
        s3.Bucket(
            "ReviewBucket",
            DeletionPolicy="Retain",
            UpdateReplacePolicy="Retain",
            BucketEncryption=s3.BucketEncryption(
                ServerSideEncryptionConfiguration=[
                    s3.ServerSideEncryptionRule(
                        ServerSideEncryptionByDefault=s3.ServerSideEncryptionByDefault(SSEAlgorithm="AES256")
                    )
                ]
            ),
            PublicAccessBlockConfiguration=s3.PublicAccessBlockConfiguration(
                BlockPublicAcls=True,
                BlockPublicPolicy=True,
                IgnorePublicAcls=True,
                RestrictPublicBuckets=True,
            ),
            OwnershipControls=s3.OwnershipControls(
                Rules=[s3.OwnershipControlsRule(ObjectOwnership="BucketOwnerEnforced")]
            ),
            VersioningConfiguration=s3.VersioningConfiguration(Status="Enabled"),
            LifecycleConfiguration=s3.LifecycleConfiguration(
                Rules=[
                    # Old versions help against accidents, and show what `reviews recompute` replaced.
                    s3.LifecycleRule(
                        Id="old-versions",
                        Status="Enabled",
                        NoncurrentVersionExpiration=s3.NoncurrentVersionExpiration(NoncurrentDays=30),
                        AbortIncompleteMultipartUpload=s3.AbortIncompleteMultipartUpload(
                            DaysAfterInitiation=7
                        ),
                    ),
                    s3.LifecycleRule(
                        Id="query-results", Status="Enabled", Prefix="query-results/", ExpirationInDays=30
                    ),
                ]
            ),
            Tags=tags(),
        )
    )
    template.add_resource(
        s3.BucketPolicy(
            "ReviewBucketPolicy",
            # The bucket stays when the stack is deleted, and must still deny access without TLS.
            DeletionPolicy="Retain",
            UpdateReplacePolicy="Retain",
            Bucket=Ref(bucket),
            PolicyDocument=policy(tls_only("s3:*", [GetAtt(bucket, "Arn"), Sub("${ReviewBucket.Arn}/*")])),
        )
    )
