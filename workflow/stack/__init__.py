"""What the stack is made of: the template, permissions that follow from steps, function bundles, stages."""
