"""Commands that are disturbed at work: the commands, their processes, what is looked for."""
