// The owner, asked by messages as worker threads do, here without a thread.
import assert from 'node:assert/strict'
import { suite, test, type TestContext } from 'node:test'
import { fc } from '../../support/properties.ts'
import type { BudgetState } from '../../../src/admission/budget.ts'
import { MemoryFloodWindows } from '../../../src/admission/flood-windows.ts'
import { MemoryStore } from '../../../src/admission/stores/memory.ts'
import type { SharedServices } from '../../../src/app/shared-services.ts'
import { FloodLeases } from '../../../src/app/workers/flood-leases.ts'
import type { FromWorker, OwnerMessage } from '../../../src/app/workers/messages.ts'
import { Outbox } from '../../../src/app/workers/outbox.ts'
import { PendingRequests } from '../../../src/app/workers/pending-requests.ts'
import { RemoteCoordinator } from '../../../src/app/workers/remote-coordinator.ts'
import { RemoteServices } from '../../../src/app/workers/remote-services.ts'
import { WorkerSession } from '../../../src/app/workers/worker-session.ts'
import type { AdmissionResult, Coordinator, Entry } from '../../../src/call/coordinator.ts'
import type { LocalCoordinator } from '../../../src/call/local-coordinator.ts'
import { LocalHold } from '../../../src/call/local-hold.ts'
import { type Cell, column, rowWidth } from '../../../src/ledger/call-row.ts'
import type { UsageQuestion } from '../../../src/ledger/report.ts'
import { appendUnfinished, type UnfinishedCall } from '../../../src/ledger/unfinished-call.ts'
import { reasonOf } from '../../../src/platform/thrown.ts'
import { MemoryObjectOwners } from '../../../src/routing/object-owners.ts'
import { testServices } from '../../contracts/coordinator-services.ts'
import { a, b, request, startOwner, testCoordinator } from '../../contracts/coordinator.ts'
import { soon, until } from '../../support/deadline.ts'
import { FakeServices } from '../../support/fake-services.ts'
import { spendingOf } from '../../support/spending-call.ts'
import { unaskedStatus } from '../../support/unasked-status.ts'
import { unknownFormats } from '../../support/unknown-formats.ts'

/** Both ends of one worker's connection to the owner. */
function connect(
  owner: LocalCoordinator,
  now = () => 0,
  refreshed: string[] = [],
  windows = new MemoryFloodWindows(2, now),
  leases = new FloodLeases(windows),
) {
  const services: SharedServices = {
    coordinator: owner,
    formats: unknownFormats,
    owners: new MemoryObjectOwners(),
    keySets: { find: () => ({ set: undefined, isReachable: false }) },
    floodWindows: windows,
    discovered: new Map(),
    onModels: undefined,
    onServerEnded: undefined,
    describeStore: () => Promise.resolve(undefined),
    readMetrics: () => Promise.resolve([]),
    readUsage: () => Promise.resolve({ state: undefined, report: undefined, spending: [] }),
    refreshModels: (model) => Promise.resolve(void refreshed.push(model)),
  }
  const unfinished: UnfinishedCall[] = []
  const bugs: string[] = []
  const answers = new Outbox<OwnerMessage>({
    postMessage({ messages }) {
      for (const message of structuredClone(messages)) remote.onMessage(message)
    },
  })
  const session = new WorkerSession({
    services,
    status: unaskedStatus,
    leases,
    post: (message) => answers.post(message),
    onUnfinished: (call) => unfinished.push(call),
    onBug: (error) => bugs.push(reasonOf(error)),
  })
  const outbox = new Outbox<FromWorker>({
    postMessage({ messages }) {
      for (const message of structuredClone(messages)) {
        if ('id' in message) session.onRequest(message)
        else if ('hold' in message) session.onHoldMessage(message)
        else if (message.kind === 'visit_ended') session.onVisitMessage(message)
        else if (message.kind === 'permit_used' || message.kind === 'permits_returned')
          session.onPermitMessage(message)
        else if (message.kind === 'remember' || message.kind === 'unreachable') session.onRestMessage(message)
      }
    },
  })
  const remote = new RemoteServices({
    outbox,
    rpm: windows.rpm,
    now,
    discovered: new Map(),
    foundFormats: new Map(),
    prefixKey: [1, 2],
    onBug: ({ message }) => bugs.push(message),
  })
  return { remote, session, services, unfinished, bugs }
}

testCoordinator('by messages', (owner) => connect(owner).remote.coordinator)
testServices('by messages', (owner) => connect(owner).remote.coordinator)

test('of several workers any 60 seconds pass as many requests of a client as the limit says, and no more', async () => {
  const sent = fc.array(
    fc.record({ worker: fc.nat(2), afterMs: fc.nat(4_000), client: fc.constantFrom('a', 'b') }),
    {
      maxLength: 200,
    },
  )
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 60 }), sent, async (rpm, requests) => {
      let nowMs = 0
      const now = () => nowMs
      const windows = new MemoryFloodWindows(rpm, now)
      const leases = new FloodLeases(windows)
      const { owner } = startOwner()
      const ends = [0, 1, 2].map(() => connect(owner, now, [], windows, leases))
      const passed = new Map<string, number[]>()
      for (const { worker, afterMs, client } of requests) {
        nowMs += afterMs
        const counted = (passed.get(client) ?? []).filter((time) => time + 60_000 > nowMs)
        const waitMs = await ends[worker]!.remote.floodWindows!.take(client)
        if (counted.length < rpm) assert.equal(waitMs, 0)
        else {
          // One that was refused before it may have the first place that becomes free.
          const [first, last] = [counted.at(-rpm)!, counted.at(-1)!].map((at) => at + 60_000 - nowMs)
          assert.ok(first! <= waitMs && waitMs <= last!, `${waitMs}, not ${first} to ${last}`)
        }
        if (waitMs === 0) counted.push(nowMs)
        passed.set(client, counted)
        // Until what was posted has arrived.
        await new Promise(setImmediate)
      }
    }),
    { numRuns: 60 },
  )
})

test('a client far from its limit is params about once in many requests', async () => {
  const windows = new MemoryFloodWindows(10_000, () => 0)
  const { remote } = connect(startOwner().owner, () => 0, [], windows)
  let requests = 0
  for (let count = 0; count < 500; count++) {
    const taken = remote.floodWindows!.take('user:me')
    if (taken instanceof Promise) requests += 1
    assert.equal(await taken, 0)
    await new Promise(setImmediate)
  }
  assert.ok(requests < 5, `${requests} requests`)
  assert.equal(windows.used('user:me'), 500)
})

test('permits of a worker that ends count as used, and nobody waits for their return', async () => {
  const windows = new MemoryFloodWindows(40, () => 0)
  const leases = new FloodLeases(windows)
  const { owner } = startOwner()
  const [gone, left] = [
    connect(owner, () => 0, [], windows, leases),
    connect(owner, () => 0, [], windows, leases),
  ]
  await gone.remote.floodWindows!.take('user:me')
  gone.session.end()
  const held = windows.used('user:me') - 1
  assert.ok(held > 0)
  for (let count = 0; count < 40 - 1 - held; count++)
    assert.equal(await left.remote.floodWindows!.take('user:me'), 0)
  assert.equal(await left.remote.floodWindows!.take('user:me'), 60_000)
})

test('the budgeted calls of a worker that ends are charged what they had reserved, and become rows of that', async () => {
  const { owner } = startOwner()
  const { remote, session, unfinished } = connect(owner)
  const spending = spendingOf('key:k_1')
  const { scopes } = spending
  for (const asked of [{ spending }, {}]) {
    assert.equal((await remote.coordinator.admit(request(asked))).kind, 'admitted')
  }
  const [{ reserved }] = (await owner.describeBudgets(scopes)) as [BudgetState]
  session.end()

  const [{ spent, reserved: left }] = (await owner.describeBudgets(scopes)) as [BudgetState]
  assert.deepEqual([spent, left], [reserved, 0])
  const rows: Cell[] = []
  for (const call of unfinished) appendUnfinished(rows, call, 1)
  assert.equal(rows.length, rowWidth)
  assert.deepEqual(
    [rows[column.requestId], rows[column.scope], rows[column.status], rows[column.costNano]],
    ['req-1', 'key:k_1', 0, spent],
  )
})

test('a worker that ends while it asks is leased nothing', async () => {
  let nowMs = 0
  const now = () => nowMs
  const windows = new MemoryFloodWindows(40, now)
  const leases = new FloodLeases(windows)
  const left = connect(startOwner().owner, now, [], windows, leases)
  const gone = new WorkerSession({
    services: left.services,
    status: unaskedStatus,
    leases,
    post: () => {},
    onUnfinished: () => {},
    onBug: assert.ifError,
  })
  await left.remote.floodWindows!.take('user:me')
  while (windows.used('user:me') < 39) windows.take('user:me')
  const asking = leases.take('user:me')
  gone.onRequest({ kind: 'take', id: 1, params: { client: 'user:me' } })
  nowMs = 60_001
  gone.end()
  await asking
  const takeSoon = () => soon(Promise.resolve(left.remote.floodWindows!.take('user:me')), () => 'a decision')
  for (let count = 2; count < 40; count++) {
    assert.equal(await takeSoon(), 0)
  }
  assert.ok((await takeSoon()) > 0)
})

test('however many clients ask for a report, one is copied at a time, and none is older than its question', async (t) => {
  const { owner } = startOwner({ rpm: 100 })
  const describe = t.mock.method(owner, 'describe')
  const { coordinator } = connect(owner).remote
  const early = Array.from({ length: 100 }, () => coordinator.describe(['m']))
  const result = await coordinator.admit(request())
  assert.ok(result.kind === 'admitted')
  const late = Array.from({ length: 100 }, () => coordinator.describe(['m']))
  await Promise.all(early)
  for (const [report] of await Promise.all(late)) assert.equal(report!.used.requests, 1)
  assert.ok(describe.mock.callCount() <= 3, `${describe.mock.callCount()} reports`)
})

test('what the owner cannot read ends the question, and not the process', async () => {
  const { remote, services } = connect(startOwner().owner)
  const fail = () => Promise.reject(new Error('the disk is broken'))
  Object.assign(services, { describeStore: fail, readMetrics: fail, readUsage: fail })
  const questions = [remote.describeStore(), remote.readMetrics(), remote.readUsage({} as UsageQuestion)]
  assert.deepEqual(await Promise.all(questions), [undefined, undefined, undefined])
})

const questions = {
  admit: (coordinator) => coordinator.admit(request()),
  visitService: (coordinator) => coordinator.visitService('a', request()),
  visitIfOpen: (coordinator) => coordinator.visitIfOpen('a'),
  countPrompt: (coordinator) => coordinator.countPrompt({ model: 'm', provider: 'a', size: request().size }),
  describe: (coordinator) => coordinator.describe(['m']),
  knownModels: (coordinator) => coordinator.knownModels([a]),
  describeBudgets: (coordinator) => coordinator.describeBudgets([]),
} as const satisfies Partial<Record<keyof Coordinator, (coordinator: Coordinator) => unknown>>

const failing = {
  thrown: () => {
    throw new Error('a bug')
  },
  late: () => Promise.reject(new Error('a bug')),
}

suite('a bug of the owner ends the question that met it, and no other:', () => {
  for (const [how, fail] of Object.entries(failing)) {
    for (const [method, ask] of Object.entries(questions)) {
      test(`${method}, ${how}`, async (t) => {
        const { owner } = startOwner({ rpm: 5 })
        const { remote, bugs } = connect(owner)
        const { mock } = t.mock.method(owner, method as keyof typeof questions, fail)
        await assert.rejects(async () => ask(remote.coordinator), { message: 'a bug' })
        assert.equal(mock.callCount(), 1)
        mock.restore()
        await ask(remote.coordinator)
        assert.deepEqual(bugs, [], 'who asked reports it')
      })
    }

    test(`a further target of a call, ${how}`, async (t) => {
      const { owner } = startOwner({ rpm: 5 })
      const { remote } = connect(owner)
      const result = await remote.coordinator.admit(request())
      assert.ok(result.kind === 'admitted')
      const { hold } = result
      const { mock } = t.mock.method(LocalHold.prototype, 'moveTo', fail)
      await assert.rejects(async () => hold.moveTo([b]), { message: 'a bug' })
      mock.restore()
      assert.equal(await hold.moveTo([b]), b)
      hold.settle({ kind: 'unsent' })
      const [report] = await remote.coordinator.describe(['m'])
      assert.deepEqual([report!.used.requests, report!.used.parallel], [0, 0])
    })
  }

  test('an admission that cannot be sent, which holds nothing', async (t) => {
    const { owner } = startOwner({ rpm: 5 })
    const { remote } = connect(owner)
    const { mock } = t.mock.method(LocalHold.prototype, 'failureKindOf', failing.thrown)
    await assert.rejects(async () => remote.coordinator.admit(request()), { message: 'a bug' })
    mock.restore()
    const [report] = await remote.coordinator.describe(['m'])
    assert.deepEqual([report!.used.requests, report!.used.parallel], [0, 0])
  })

  test('two that wait for one report', async (t) => {
    const { owner } = startOwner({ rpm: 5 })
    const { coordinator } = connect(owner).remote
    t.mock.method(owner, 'describe', failing.late, { times: 1 })
    const [first, second] = [coordinator.describe(['m']), coordinator.describe(['m'])]
    await assert.rejects(first, { message: 'a bug' })
    assert.equal((await second).length, 1)
  })

  test('one whose client has left, and which is reported by itself', async (t) => {
    const { owner } = startOwner({ rpm: 5 })
    const { remote, bugs } = connect(owner)
    const admitting = Promise.withResolvers<AdmissionResult>()
    const { mock } = t.mock.method(owner, 'admit', () => admitting.promise)
    const params = request()
    const result = remote.coordinator.admit(params)
    await until(() => mock.callCount() === 1, 'the question')
    params.disconnect.isGone = true
    params.disconnect.onGone?.()
    assert.equal((await result).kind, 'gone')
    admitting.reject(new Error('a bug'))
    await until(() => bugs.length > 0, 'the bug')
    assert.deepEqual(bugs, ['a bug'])
  })
})

test('a list of models is requested again where the owner asks', async () => {
  const refreshed: string[] = []
  await connect(startOwner().owner, undefined, refreshed).remote.refreshModels('a/new')
  assert.deepEqual(refreshed, ['a/new'])
})

test('a worker that ends leaves the lines, and its calls are charged as cut', async () => {
  const { owner } = startOwner({ rpm: 100, maxParallelRequests: 1, whenLimited: 'wait' })
  const [first, second] = [connect(owner), connect(owner)]
  const result = await first.remote.coordinator.admit(request())
  assert.ok(result.kind === 'admitted')
  for (let count = 0; count < 3; count++) void first.remote.coordinator.admit(request())
  const waiting = second.remote.coordinator.admit(request())
  const describe = async () => (await second.remote.coordinator.describe(['m']))[0]!
  assert.equal((await describe()).waiting, 4)

  first.session.end()

  assert.equal((await waiting).kind, 'admitted')
  const { used, waiting: left } = await describe()
  assert.deepEqual([used.requests, used.parallel, left], [2, 1, 0])
  assert.equal(owner.load.of('a'), 1)
  // What its calls still sent comes too late.
  result.hold.settle({ kind: 'unsent' })
  assert.equal((await describe()).used.requests, 2)
})

/** What throws once while what a worker held is released. */
const releases: Readonly<Record<string, (t: TestContext, scene: ReleasingScene) => void>> = {
  'the permits of its clients': (t) => {
    t.mock.method(FloodLeases.prototype, 'end', failing.thrown, { times: 1 })
  },
  'a call that waits': (t) => {
    t.mock.method(MemoryStore.prototype, 'reserve', failing.thrown, { times: 1 })
  },
  'the visit of a service': (t, { services }) => {
    t.mock.method(services, 'enter', () => ({ isValid: true, leave: failing.thrown }), { times: 1 })
  },
  'the row of a call under way': (_, { unfinished }) => {
    unfinished.push = () => {
      Reflect.deleteProperty(unfinished, 'push')
      return failing.thrown()
    }
  },
  'the settlement of a call': (t, { owner }) => {
    t.mock.method(owner.health, 'recordNothing', failing.thrown, { times: 1 })
  },
}

interface ReleasingScene {
  readonly owner: LocalCoordinator
  readonly services: FakeServices
  readonly unfinished: UnfinishedCall[]
}

suite('a bug in one release of a worker that ends is reported, and keeps none of the others:', () => {
  for (const [what, fail] of Object.entries(releases)) {
    test(what, async (t) => {
      const { owner } = startOwner({ rpm: 100, maxParallelRequests: 2, whenLimited: 'wait' })
      const services = new FakeServices('c')
      owner.services = services
      services.open('c')
      const [first, second] = [connect(owner), connect(owner)]
      const spending = spendingOf('key:k_1')
      for (let count = 0; count < 2; count++)
        assert.equal((await first.remote.coordinator.admit(request({ spending }))).kind, 'admitted')
      void first.remote.coordinator.admit(request())
      const waiting = second.remote.coordinator.admit(request())
      const describe = async () => (await second.remote.coordinator.describe(['m']))[0]!
      assert.equal((await describe()).waiting, 2)
      fail(t, { owner, services, unfinished: first.unfinished })
      for (let count = 0; count < 2; count++) {
        const entry = await first.remote.coordinator.visitService('c', request())
        assert.ok('kind' in entry && entry.kind === 'entered')
      }

      first.session.end()

      assert.deepEqual(first.bugs, ['a bug'])
      assert.equal((await waiting).kind, 'admitted')
      const { used, waiting: left } = await describe()
      assert.deepEqual([used.parallel, left, services.inside], [1, 0, []])
    })
  }
})

test('a visit that does not begin leaves no open question, whatever the reason', async () => {
  const posted: FromWorker[] = []
  const post = (message: FromWorker) => void posted.push(message)
  const requests = new PendingRequests({ post, postSoon: post, flush: () => {} })
  const coordinator = new RemoteCoordinator(
    requests,
    { post, postSoon: post, flush: () => {} },
    () => 0,
    [1, 2],
  )
  const failure = { unit: 'a.service', result: 'timeout', retryAfterMs: 1000 }
  const entries: Entry[] = [
    { kind: 'shutting_down', waitedMs: 0 },
    { kind: 'not_started', failure, waitedMs: 0 },
    { kind: 'gone', waitedMs: 0 },
    { kind: 'shutting_down', waitedMs: 0 },
  ]
  const slots = []
  for (const entry of entries) {
    const caller = { client: { id: 'user:me' }, disconnect: { isGone: false, onGone: undefined } }
    const visiting = coordinator.visitService('a', caller)
    const asked = posted.find((message) => 'id' in message)
    assert.ok(asked !== undefined && 'id' in asked)
    posted.length = 0
    requests.onResponse(asked.id, entry)
    assert.deepEqual(await visiting, entry)
    slots.push(asked.id % 2 ** 20)
  }
  assert.deepEqual(slots, [0, 0, 0, 0], 'the place of the first is free for the next ones')
})

test('a client that leaves while its admission is on its way costs nothing', async () => {
  const { owner } = startOwner({ rpm: 5 })
  const { remote } = connect(owner)
  const params = request()
  const result = remote.coordinator.admit(params)
  // The owner has admitted it, and its answer is not here yet.
  await new Promise(setImmediate)
  params.disconnect.isGone = true
  params.disconnect.onGone?.()
  assert.equal((await result).kind, 'gone')
  const [report] = await remote.coordinator.describe(['m'])
  assert.deepEqual([report!.used.requests, report!.used.parallel], [0, 0])
})
