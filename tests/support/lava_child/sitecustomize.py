"""Read by Python as it starts: gives Lava's child process the rule of the toy neuron."""

import sys

if "neurocompile.engines.lava.child" in sys.orig_argv:
    import toy_neuron

    from neurocompile.engines.lava import guard

    install = guard.install

    def install_with_toy(*arguments: object) -> None:
        """The guard as it is, then the rule, before the network is built."""
        install(*arguments)
        from neurocompile.engines.lava import lower

        lower.PROCESSES["Toy"] = toy_neuron.rule

    guard.install = install_with_toy
