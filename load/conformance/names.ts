/** The suites by name: in the table of results, and in the list of what we fail on purpose. */
export const PAHO_311 = "Paho 3.1.1";
export const PAHO_5 = "Paho 5.0";
export const SEQUENCES = "mosquitto packet sequences";
export const MQTTJS_TESTS = "MQTT.js client tests";
export const CLIENT_SESSION = "MQTT.js sessions (ours)";
