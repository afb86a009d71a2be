"""What a worker of the local engine sees of a task, and how a filled-in form becomes an answer.

On AWS, a worker task template with crowd elements makes the worker's page. Here, a description of the same elements
does: their names, labels, and where in the input of the loop the text, the image and the prediction are. The answer has
the form that the crowd element gives.

    description.py   the description of a flow definition's tasks
    picture.py       the image that a task is about
    elements/        one module a kind of element: what is shown, and the answer

Everything here is pure: it reads no service.

Source: "Crowd HTML Elements Reference", Amazon SageMaker Developer Guide.
"""
