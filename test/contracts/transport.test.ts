/** The Transport contract on the memory twin. */
import { MemoryNetwork } from "../../cluster/transport/memory-transport.js";
import { describeTransport } from "./transport.contract.js";

describeTransport("memory", async () => {
  const network = new MemoryNetwork();
  const one = network.join("1");
  const two = network.join("2");
  const addresses = new Map([
    ["1", "memory:1"],
    ["2", "memory:2"],
  ]);
  one.setPeers(addresses);
  two.setPeers(addresses);
  return {
    one,
    two,
    part: () => network.cut("1", "2"),
    close: async () => {
      await one.stop();
      await two.stop();
    },
  };
});
