/** A short session of a paho-mqtt client (Python), as a program that prints what it saw as one JSON line. Arguments: host, port, version. */
export const PAHO_SESSION = `
import json, sys, threading
import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

host, port, version = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
PATIENCE_S = 20
base = "paho/%d/" % version
# Version 2 of the library wants to be told that these callbacks are of version 1.
api = [mqtt.CallbackAPIVersion.VERSION1] if hasattr(mqtt, "CallbackAPIVersion") else []

class Session:
    def __init__(self, name, kept=False, will=None):
        self.changed = threading.Condition()
        self.messages, self.connected, self.subscribed = [], None, False
        options = {} if version == 5 else {"clean_session": not kept}
        self.client = mqtt.Client(*api, client_id=base + name, protocol=version, **options)
        self.client.on_connect = self.on_connect
        self.client.on_message = self.on_message
        self.client.on_subscribe = self.on_subscribe
        if will is not None:
            self.client.will_set(base + "will", will, qos=1)
        arguments = {}
        if version == 5:
            properties = Properties(PacketTypes.CONNECT)
            properties.SessionExpiryInterval = 3600 if kept else 0
            arguments = {"clean_start": not kept, "properties": properties}
        self.client.connect(host, port, 30, **arguments)
        self.client.loop_start()
        self.wait(lambda: self.connected is not None)

    def on_connect(self, client, userdata, flags, reason, properties=None):
        with self.changed:
            self.connected = {"code": int(getattr(reason, "value", reason)), "present": flags["session present"]}
            self.changed.notify_all()

    def on_message(self, client, userdata, message):
        with self.changed:
            topic = message.topic[len(base):]
            self.messages.append([topic, message.payload.decode(), message.qos, message.retain])
            self.changed.notify_all()

    def on_subscribe(self, *_):
        with self.changed:
            self.subscribed = True
            self.changed.notify_all()

    def wait(self, condition):
        with self.changed:
            if not self.changed.wait_for(condition, PATIENCE_S):
                raise TimeoutError("got %s" % self.messages)

    def subscribe(self, topic):
        self.client.subscribe(base + topic, 2)
        self.wait(lambda: self.subscribed)

    def publish(self, topic, payload, qos, retain=False):
        self.client.publish(base + topic, payload, qos, retain).wait_for_publish(PATIENCE_S)

    def leave(self):
        self.client.disconnect()
        self.client.loop_stop()

keeper = Session("keeper", kept=True)
first = keeper.connected
keeper.subscribe("#")
keeper.leave()
mortal = Session("mortal", will="gone")
mortal.client.loop_stop()
mortal.client.socket().close()
publisher = Session("publisher")
for qos in (0, 1, 2):
    publisher.publish("missed", "at %d" % qos, qos)
publisher.publish("state", "on", 1, retain=True)
keeper = Session("keeper", kept=True)
keeper.wait(lambda: len([m for m in keeper.messages if m[2] > 0]) == 4)
live = Session("live")
live.subscribe("live")
for qos in (0, 1, 2):
    publisher.publish("live", "at %d" % qos, qos)
live.wait(lambda: len(live.messages) == 3)
late = Session("late")
late.subscribe("state")
late.wait(lambda: len(late.messages) == 1)
for session in (keeper, publisher, live, late):
    session.leave()
print("@" + json.dumps({
    "first": first,
    "again": keeper.connected,
    "missed": sorted(m for m in keeper.messages if m[2] > 0 and m[0] != "live"),
    "live": live.messages,
    "late": late.messages,
}), flush=True)
`;
