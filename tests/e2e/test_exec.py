"""Commands in pods on kubesim: evidence, effects and checks by exec, from a webhook to the record."""
import execs
import harness as h


class Exec(execs.Execs, h.Scene):
    def prepare(self):
        self.sim = self.kubesim()
        return self.sim, "shop", self.sim.kubeconfig

    def sent(self, word):
        return [e for e in self.sim.writes("GET", "/exec") if word in e["body"]]
