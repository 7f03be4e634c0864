"""Nodes are cordoned and drained on kubesim, from a webhook to the record."""
import draining
import harness as h


class Nodes(draining.Draining, h.Scene):
    def prepare(self):
        if not self.programs:
            self.sim = self.kubesim(start_delay=1)
        return self.sim, "shop", self.sim.kubeconfig
