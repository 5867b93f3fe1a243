import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Calibration } from '../../src/admission/estimate.ts'
import { modelScope } from '../../src/admission/scopes.ts'
import { MemoryStore } from '../../src/admission/stores/memory.ts'
import type { SavedModel, SavedWindows } from '../../src/admission/stores/memory.ts'
import { LimitsFile } from '../../src/admission/limits-file.ts'
import type { LimitsFileParts } from '../../src/admission/limits-file.ts'
import type { ModelLimits } from '../../src/domain.ts'
import { FakeClock, settled } from '../support/fake-clock.ts'

const limits: ModelLimits = { rpm: 100, tpm: 10_000, whenLimited: 'reject', maxWaitMs: 0 }
const size = { textBytes: 1000, mediaCount: 0, messageCount: 1, tokenIdCount: 0, promptCount: 0, choices: 1 }
const scope = modelScope('m', limits)

interface Process {
  readonly clock: FakeClock
  readonly store: MemoryStore
  readonly calibration: Calibration
  readonly file: LimitsFile
  readonly faults: unknown[]
}

/** A process that starts at this wall-clock time with a monotonic clock of its own. */
function start(directory: string, wallStartMs: number, of: Partial<LimitsFileParts> = {}): Process {
  const clock = new FakeClock(Math.floor(wallStartMs % 977))
  const monotonicStartMs = clock.now()
  const store = new MemoryStore()
  const calibration = new Calibration()
  const faults: unknown[] = []
  const file = new LimitsFile({
    directory,
    store,
    calibration,
    now: clock.now,
    wallNow: () => wallStartMs + clock.now() - monotonicStartMs,
    setTimer: clock.setTimer,
    // Processes that end without a word are played within this one.
    hold: () => ({ kind: 'unavailable' }),
    onFault: (cause) => faults.push(cause),
    ...of,
  })
  return { clock, store, calibration, file, faults }
}

async function inDirectory(run: (directory: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'snapshot-'))
  try {
    await run(directory)
  } finally {
    await rm(directory, { recursive: true })
  }
}

function reserve({ store, clock }: Process, tokens: number): void {
  const verdict = store.reserve({ scopes: [scope], oneOf: [], tokens, minTokens: 1 }, clock.now())
  assert.equal(verdict.kind, 'admitted')
}

function used({ store, clock }: Process): readonly number[] {
  const { requests, tokens } = store.use(scope, clock.now())
  return [requests, tokens]
}

/** A process that admitted 70 tokens at 0 s and 30 at 40 s of wall time 1,000,000 ms, and then stopped. */
async function leaveBehind(directory: string): Promise<void> {
  const before = start(directory, 1_000_000)
  reserve(before, 70)
  before.clock.advance(40_000)
  reserve(before, 30)
  before.calibration.learn(
    'm',
    'p',
    { ...size, maxOutputTokens: undefined },
    { promptTokens: 400, completionTokens: 9 },
  )
  await before.file.stop()
}

/** Waits until a write has ended and the next one is planned. */
async function nextWrite({ clock }: Pick<Process, 'clock'>): Promise<void> {
  for (let turn = 0; turn < 100_000 && clock.pendingTimers === 0; turn++) await settled()
  assert.equal(clock.pendingTimers, 1)
}

/** What the next process finds, if this one ends now. */
async function usedAfterCrash(directory: string): Promise<readonly number[]> {
  const next = start(directory, 1_000_000)
  next.file.load()
  return used(next)
}

test('a restart keeps the counts of the last 60 seconds and what was learnt', () =>
  inDirectory(async (directory) => {
    await leaveBehind(directory)
    const after = start(directory, 1_045_000)
    assert.deepEqual(after.file.load(), { kind: 'restored', models: 1, ageMs: 5000 })
    assert.deepEqual(used(after), [2, 100])
    assert.equal(after.calibration.describe('m').length, 1)
    after.clock.advance(15_001)
    assert.deepEqual(used(after), [1, 30])
  }))

test('an entry comes back a millisecond late at most, and never early', () =>
  inDirectory(async (directory) => {
    await leaveBehind(directory)
    const after = start(directory, 1_059_999)
    after.file.load()
    assert.deepEqual(used(after), [2, 100])
    after.clock.advance(2)
    assert.deepEqual(used(after), [1, 30])
  }))

test('fractions of a millisecond are rounded to the younger side', () =>
  inDirectory(async (directory) => {
    const saved: SavedModel[] = []
    const store = {
      dump: () => ({ models: [{ model: 'm', entries: [[10.75, 1, 5]] as const }], clients: [] }),
      restore: ({ models }: SavedWindows) => void saved.push(...models),
    }
    const { file } = start(directory, 1_000_000, { store })
    await file.stop()
    start(directory, 1_000_100, { store }).file.load()
    assert.deepEqual(saved, [{ model: 'm', entries: [[109, 1, 5]] }])
  }))

test('60 seconds later the windows are empty, and what was learnt is still known', () =>
  inDirectory(async (directory) => {
    await leaveBehind(directory)
    const after = start(directory, 1_101_000)
    assert.deepEqual(after.file.load(), { kind: 'stale', ageMs: 61_000 })
    assert.deepEqual(used(after), [0, 0])
    assert.equal(after.calibration.describe().length, 1)
  }))

test('a file from the future is taken up as if saved now', () =>
  inDirectory(async (directory) => {
    await leaveBehind(directory)
    const after = start(directory, 500_000)
    assert.deepEqual(after.file.load(), { kind: 'future_dated', models: 1, aheadMs: 540_000 })
    assert.deepEqual(used(after), [2, 100])
    after.clock.advance(60_000)
    assert.deepEqual(used(after), [0, 0])
  }))

test('no file is a first start', () =>
  inDirectory(async (directory) => {
    assert.deepEqual(start(directory, 0).file.load(), { kind: 'absent' })
  }))

test('a torn file, wherever it was cut, starts the gateway with empty windows', () =>
  inDirectory(async (directory) => {
    await leaveBehind(directory)
    const path = join(directory, 'limits.json')
    const whole = await readFile(path, 'utf8')
    for (let length = 0; length < whole.length; length += 7) {
      await writeFile(path, whole.slice(0, length))
      const after = start(directory, 1_045_000)
      assert.equal(after.file.load().kind, 'unreadable')
      assert.deepEqual(used(after), [0, 0])
    }
  }))

const fact = {
  model: 'm',
  provider: 'p',
  tokensPerByte: 0.3,
  error: 0.1,
  tokensPerMedia: 1000,
  outputTokens: 800,
  samples: 9,
}

test('a file of an earlier version is taken up, with what it lacks as of a single sample', () =>
  inDirectory(async (directory) => {
    const content = { version: 1, savedAtMs: 1000, models: [], calibration: [fact] }
    await writeFile(join(directory, 'limits.json'), JSON.stringify(content))
    const after = start(directory, 2000)
    assert.equal(after.file.load().kind, 'restored')
    const later = { outputDeviation: 400, textBytes: 20_000, mediaSamples: 0 }
    assert.deepEqual(after.calibration.describe(), [{ ...fact, ...later }])
  }))

const foreign: readonly (readonly [what: string, content: unknown])[] = [
  [
    'a negative time without saving',
    { version: 1, savedAtMs: 1, unsavedMs: -1, models: [], calibration: [] },
  ],
  ['another version', { version: 2, savedAtMs: 1, models: [], calibration: [] }],
  ['no object', [1]],
  ['null', null],
  ['no time', { version: 1, models: [], calibration: [] }],
  ['a negative time', { version: 1, savedAtMs: -1, models: [], calibration: [] }],
  [
    'entries that are none',
    { version: 1, savedAtMs: 1, models: [{ model: 'm', entries: [[1, 2]] }], calibration: [] },
  ],
  [
    'negative tokens',
    { version: 1, savedAtMs: 1, models: [{ model: 'm', entries: [[1, 1, -5]] }], calibration: [] },
  ],
  [
    'entries out of order',
    {
      version: 1,
      savedAtMs: 1,
      models: [
        {
          model: 'm',
          entries: [
            [1, 1, 1],
            [2, 1, 1],
          ],
        },
      ],
      calibration: [],
    },
  ],
  [
    'a calibration that is none',
    { version: 1, savedAtMs: 1, models: [], calibration: [{ model: 'm', provider: 'p' }] },
  ],
  [
    'a deviation that is none',
    { version: 1, savedAtMs: 1, models: [], calibration: [{ ...fact, outputDeviation: '7' }] },
  ],
]
for (const [what, content] of foreign) {
  test(`a file with ${what} is left alone and reported`, () =>
    inDirectory(async (directory) => {
      await writeFile(join(directory, 'limits.json'), JSON.stringify(content))
      const after = start(directory, 1000)
      assert.equal(after.file.load().kind, 'unreadable')
      assert.deepEqual(after.calibration.describe(), [])
    }))
}

test('a change is written at once, for this user alone, and those during a write by the next one', () =>
  inDirectory(async (parent) => {
    const directory = join(parent, 'state', 'llm-gateway')
    const running = start(directory, 1_000_000)
    reserve(running, 70)
    running.file.touch()
    running.clock.advance(0)
    await settled()
    reserve(running, 30)
    running.file.touch()
    assert.equal(running.clock.pendingTimers, 0, 'a second write does not begin during the first')
    await nextWrite(running)
    assert.deepEqual(await usedAfterCrash(directory), [2, 140], 'the second as it may have been')
    running.clock.advance(0)
    await running.file.stop()
    assert.deepEqual(await readdir(directory), ['limits.json'])
    assert.equal((await stat(directory)).mode & 0o777, 0o700)
    assert.equal((await stat(join(directory, 'limits.json'))).mode & 0o777, 0o600)
    assert.deepEqual(await usedAfterCrash(directory), [2, 100])
  }))

test('after a crash, as much counts again as the busiest time of a write took', () =>
  inDirectory(async (directory) => {
    const admitted = async (savedMs: number) => {
      const running = start(directory, 1_000_000)
      for (const pauseMs of [500, 40, 40, 4, savedMs]) {
        reserve(running, 10)
        running.clock.advance(pauseMs)
      }
      running.file.touch()
      running.clock.advance(0)
      await settled()
      running.file.touch()
      await nextWrite(running)
      return usedAfterCrash(directory)
    }
    assert.deepEqual(await admitted(0), [9, 90])
    assert.deepEqual(await admitted(1001), [5, 50], 'none of an idle model')
  }))

test('writes pause when they have been many or long, for two seconds at most', () =>
  inDirectory(async (directory) => {
    let writes = 0
    let writeMs = 1
    const { clock, file } = start(directory, 1_000_000, {
      store: {
        dump: () => {
          writes += 1
          clock.advance(writeMs)
          return { models: [], clients: [] }
        },
        restore: () => {},
      },
    })
    /** Changes all the time; each write gets the real time that it takes. */
    const writesWithin = async (ms: number) => {
      const before = writes
      file.touch()
      for (let passedMs = 0; passedMs < ms; passedMs += 10) {
        clock.advance(10)
        if (clock.pendingTimers > 0) continue
        await settled()
        file.touch()
        await nextWrite({ clock })
      }
      return writes - before
    }
    const atFirst = await writesWithin(1000)
    assert.ok(atFirst > 50 && atFirst < 70, `${atFirst} writes within 1 s`)
    const later = await writesWithin(5000)
    assert.ok(later > 40 && later < 60, `${later} writes within 5 s`)
    writeMs = 1000
    const slow = await writesWithin(20_000)
    assert.ok(slow >= 9 && slow <= 11, `${slow} writes of a second within 20 s`)
    await file.stop()
  }))

test('a write that fails is reported, and the next one is tried', () =>
  inDirectory(async (directory) => {
    const path = join(directory, 'not-a-directory')
    await writeFile(path, '')
    const running = start(path, 1_000_000)
    await running.file.stop()
    assert.equal(running.faults.length, 1)
    await rm(path)
    await running.file.stop()
    assert.equal(running.faults.length, 1)
    assert.deepEqual(await readdir(path), ['limits.json'])
  }))

test('steps of the wall clock change neither what counts nor how old it is when saved', () =>
  inDirectory(async (directory) => {
    const monotonic = new FakeClock(77)
    let wallMs = 10_000_000
    const clocks = { now: monotonic.now, setTimer: monotonic.setTimer, wallNow: () => wallMs }
    const running = start(directory, 0, clocks)
    running.store.reserve({ scopes: [scope], oneOf: [], tokens: 70, minTokens: 1 }, monotonic.now())
    for (const stepMs of [3_600_000, -7_200_000]) {
      wallMs += stepMs
      monotonic.advance(10_000)
      assert.equal(running.store.use(scope, monotonic.now()).tokens, 70)
    }
    await running.file.stop()
    const after = start(directory, wallMs + 5000)
    after.file.load()
    assert.deepEqual(used(after), [1, 70])
    after.clock.advance(35_001)
    assert.deepEqual(used(after), [0, 0])
  }))
