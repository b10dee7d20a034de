"use strict";

// The consensus core's type module extends `Controller` at load; nothing of it ever runs here.
class Controller {}

module.exports = { Controller };
