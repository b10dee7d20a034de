/** The Transport contract on the memory twin and on TCP. */
import { MemoryNetwork } from "../../cluster/transport/memory-transport.js";
import { startTcpPair } from "../support/tcp-nodes.js";
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
    start: async () => {
      await one.start();
      await two.start();
    },
    part: () => network.cut("1", "2"),
    stoppedTwo: async () => {
      await two.stop();
      const again = network.join("2");
      again.setPeers(addresses);
      return again;
    },
    close: async () => {
      await one.stop();
      await two.stop();
    },
  };
});

describeTransport("TCP", startTcpPair);
