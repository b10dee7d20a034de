"use strict";

// Named by the consensus core at load; nothing of it is ever used.
module.exports = {};
