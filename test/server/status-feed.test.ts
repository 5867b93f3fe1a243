// The feed by a clock of its own: when it reads, what it sends, and that it does nothing while nobody looks.
import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { EventEmitter } from 'node:events'
import { suite, test } from 'node:test'

import { StatusFeed } from '../../src/server/status-page/feed.ts'
import type { StatusReport } from '../../src/status/status-report.ts'
import type { StatusView } from '../../src/status/status-source.ts'
import { FakeClock, settled } from '../support/fake-clock.ts'

const viewer = { user: 'user:ann', sees_all: true, may_cancel: true, playground: true }
const view: StatusView = { viewer, zone: 'UTC', days: 1 }

/** As much of a response as the feed uses. */
class Page extends EventEmitter {
  written = ''
  writableLength = 0
  isDestroyed = false

  write(text: string): void {
    this.written += text
  }

  end(text = ''): void {
    this.written += text
    this.emit('close')
  }

  destroy(): void {
    this.isDestroyed = true
    this.emit('close')
  }

  /** What came since this was asked last. */
  news(): string {
    const { written } = this
    this.written = ''
    return written
  }
}

function scene() {
  const clock = new FakeClock()
  const report = { version: '1', draining: false, calls: [] as unknown[] }
  const seen = { reads: 0, errors: [] as unknown[], fails: false }
  const feed = new StatusFeed({
    now: clock.now,
    setTimer: clock.setTimer,
    readReport: async () => {
      seen.reads += 1
      if (seen.fails) throw new Error('a bug')
      return structuredClone(report) as unknown as StatusReport
    },
    onError: (error) => seen.errors.push(error),
  })
  const open = (of: StatusView = view) => {
    const page = new Page()
    feed.open(page as unknown as ServerResponse, of)
    return page
  }
  const tick = async (count = 1) => {
    for (let index = 0; index < count; index++) {
      clock.advance(1_000)
      await settled()
    }
  }
  return { clock, feed, report, seen, open, tick }
}

suite('the feed', () => {
  test('reads once a second for all pages of a view, and not at all without one', async () => {
    const { clock, seen, open, tick } = scene()
    await tick(3)
    assert.equal(seen.reads, 0)
    const [one, other] = [open(), open()]
    await settled()
    assert.equal(seen.reads, 2)
    await tick(2)
    assert.equal(seen.reads, 4)
    open({ ...view, days: 7 })
    await settled()
    await tick()
    assert.equal(seen.reads, 7)
    one.destroy()
    other.destroy()
    await tick()
    assert.equal(seen.reads, 8)
    assert.equal(clock.pendingTimers, 1)
  })

  test('has no timer once the last page is closed', async () => {
    const { clock, open, tick } = scene()
    const page = open()
    await tick()
    page.destroy()
    assert.equal(clock.pendingTimers, 0)
    await tick(2)
    assert.equal(clock.pendingTimers, 0)
  })

  test('sends only members that have changed, and a comment after 15 silent seconds', async () => {
    const { report, open, tick } = scene()
    const page = open()
    await settled()
    assert.equal(
      page.news(),
      'retry: 2000\n\nevent: report\ndata: {"version":"1","draining":false,"calls":[]}\n\n',
    )
    await tick()
    assert.equal(page.news(), '')
    report.calls.push({ id: 'a' })
    await tick()
    assert.equal(page.news(), 'event: change\ndata: {"calls":[{"id":"a"}]}\n\n')
    await tick(14)
    assert.equal(page.news(), '')
    await tick()
    assert.equal(page.news(), ': \n\n')
  })

  test('skips a slow reader, sends it the sum later, and cuts it off after a minute', async () => {
    const { report, open, tick } = scene()
    const [slow, quick] = [open(), open()]
    await settled()
    slow.news()
    slow.writableLength = 65_537
    report.draining = true
    await tick()
    report.calls.push({ id: 'a' })
    await tick()
    assert.equal(slow.news(), '')
    assert.match(quick.news(), /change[^]*change/)
    slow.writableLength = 65_536
    await tick()
    assert.equal(slow.news(), 'event: change\ndata: {"draining":true,"calls":[{"id":"a"}]}\n\n')
    slow.writableLength = 65_537
    await tick(62)
    assert.equal(slow.isDestroyed, true)
    assert.equal(quick.isDestroyed, false)
  })

  test('goes on after a report that could not be made', async () => {
    const { seen, open, tick } = scene()
    seen.fails = true
    const page = open()
    await settled()
    await tick()
    assert.equal(page.news(), 'retry: 2000\n\n')
    assert.equal(seen.errors.length, 2)
    seen.fails = false
    await tick()
    assert.match(page.news(), /^event: report/)
  })

  test('ends every page with goodbye when it is closed, and each that comes later', async () => {
    const { clock, feed, open } = scene()
    const page = open()
    await settled()
    page.news()
    feed.close()
    assert.equal(page.news(), 'event: bye\ndata: {}\n\n')
    assert.equal(clock.pendingTimers, 0)
    assert.equal(open().news(), 'retry: 2000\n\nevent: bye\ndata: {}\n\n')
  })
})
