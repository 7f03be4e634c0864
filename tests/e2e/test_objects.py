"""What a run makes and changes on kubesim, from a webhook to the record."""
import harness as h
import making


class Objects(making.Making, h.Scene):
    def prepare(self):
        if not self.programs:
            self.sim = self.kubesim()
        return self.sim, "shop", self.sim.kubeconfig
