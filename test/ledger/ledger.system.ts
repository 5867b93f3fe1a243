import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { appendFileSync, existsSync, mkdirSync, rmSync, statfsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { ballastOf } from '../../src/ledger/ballast.ts'
import { until } from '../support/deadline.ts'
import { findProgram, unless } from '../support/needs.ts'
import { newPath } from './ended-call.ts'
import { count, open, record } from './opened-ledger.ts'

test(
  'on a full disk rows wait, old ones make room, and all of the rest are written when there is room again',
  { skip: unless(process.getuid?.() === 0 && findProgram('mount') !== undefined, 'needs root and mount') },
  async (t) => {
    let folder = ''
    // Before its own folder is removed, as these run in order.
    t.after(() => spawnSync('umount', ['--lazy', folder]))
    folder = join(dirname(newPath()), 'small')
    mkdirSync(folder)
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', folder], {
      encoding: 'utf8',
    })
    if (mounted.status !== 0) return t.skip(`nothing can be mounted here: ${mounted.stderr.trim()}`)
    const path = join(folder, 'usage.db')
    const { ledger, events } = open(t, path)
    record(ledger, 100)
    await until(
      () => ledger.state().waitingRows === 0 && ledger.state().state === 'writing',
      'the first rows',
    )
    const filler = join(folder, 'filler')
    // The thread tries to make its ballast meanwhile, and takes it away again, because there is no room for it. What it has
    // taken away is room only a moment later.
    let looksAtFull = 0
    const isFull = () => {
      try {
        for (;;) appendFileSync(filler, Buffer.alloc(16 * 1024))
      } catch {
        const isFullNow = !existsSync(`${ballastOf(path)}.tmp`) && statfsSync(folder).bavail <= 4
        looksAtFull = isFullNow ? looksAtFull + 1 : 0
        return looksAtFull > 5
      }
    }
    await until(isFull, 'the disk to be full')
    let recorded = 100
    const hasWaited = () => {
      // What SQLite has reserved before may hold some rows. All of them must fit into the disk once it has room.
      if (events.length === 0 && ledger.state().waitingRows === 0 && recorded < 10_000) {
        record(ledger, 500)
        recorded += 500
      }
      return events.length > 0
    }
    await until(hasWaited, 'the ledger to wait')
    const [waiting] = events
    assert.ok(waiting?.kind === 'ledger_waiting')
    assert.match(waiting.reason, /full|disk I\/O|no space/i)
    rmSync(filler)
    await until(() => ledger.state().waitingRows === 0, 'the rows to be written')
    await ledger.stop()

    assert.equal(count(path), recorded)
    assert.equal(count(path, 'SELECT SUM(calls) AS count FROM quarters'), recorded)
    assert.equal(events.at(-1)?.kind, 'ledger_writing')
  },
)
