"""A stage as an earlier commit published it, for the test of an upgrade (`tests/engine/test_upgrade.py`).

`657dd37.zip` has what that commit's code built. The test needs no git history, so it also runs from a source archive.

| in the zip | what it is |
|---|---|
| `template.json` | the CloudFormation template, with the steps of `post_review.py` in its state machine |
| `settings.json` | the stage's name and settings, as in `stages.toml` |
| `parameters.json` | the stack's parameters for these settings |
| `parent.json` | a user's own workflow with a `HumanReview` step: its definition and its role's policy |
| `lambdas/` | the source of the functions |

The rest depends on the machine and is not in the zip: the functions use the dependencies that are installed here, and
`old_stage.py` sets the parameters that depend on the bundles.

`make old-stage` builds the zip again from git: the same commit gives the same content. When a release changes what a
stage stores, add a zip of that release. Do not replace this one, because stages of that time exist.
"""
