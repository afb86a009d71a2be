"""A stage as an earlier commit published it, for the test of an upgrade (`tests/engine/test_upgrade.py`).

`657dd37.zip` holds what that commit's code made. The test needs no git history, so it also runs from a source archive.

| in the zip | what it is |
|---|---|
| `template.json` | the CloudFormation template, with the steps of `post_review.py` in its state machine |
| `settings.json` | the stage's settings, as its table in `stages.toml` has them, and its name |
| `parameters.json` | the stack's parameters that follow from these |
| `parent.json` | a workflow of a user's own with a `HumanReview` step: its definition, and what its role may do |
| `lambdas/` | the source of the functions |

The rest is not in it, because it depends on the machine: the functions' dependencies are those that are installed
here, and the parameters that name a bundle or change with it are made when the stage is published (`old_stage.py`).

`make old-stage` makes the zip again from git: the same commit gives the same content. When a release changes what a
stage keeps, add a zip of that release; do not replace this one, because stages of its time exist.
"""
