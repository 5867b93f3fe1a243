import { test } from 'node:test'

import { longRun } from '../support/long-run.ts'
import { reloadUnderLoad } from './reload-load.ts'

const { count: reloads = 1_000, isOver } = longRun()

test(`${reloads} reloads under 32 connections fail no call`, (t) =>
  reloadUnderLoad(t, (count) => count < reloads && !isOver()))
