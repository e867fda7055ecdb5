#!/usr/bin/env node
import '../../../dist/highwater.js';
