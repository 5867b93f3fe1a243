import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { suite, test, type TestContext } from 'node:test'

import { StartError } from '../../../src/errors.ts'
import {
  type Identity,
  type PeerUserParts,
  peerUserCheck,
  proxyUserCheck,
  socketOwner,
} from '../../../src/server/peer/peer-user.ts'
import { OpenConnections } from '../../../src/server/listeners/open-connections.ts'
import { createGatedServer, httpLimits } from '../../../src/server/listeners/http-server.ts'
import type { PeerLookup } from '../../../src/server/peer/peer-table.ts'
import { isConnected } from '../../../src/platform/node/getpeername.ts'
import { parseUnixUsers } from '../../../src/platform/unix-users.ts'
import { soon } from '../../support/deadline.ts'
import { rawRequest } from '../../support/raw-client.ts'

const users = parseUnixUsers('owner:x:1501:1501\nmallory:x:1502:1502\nnobody:x:65534:65534\nroot:x:0:0\n')
const socket = {
  localAddress: '127.0.0.1',
  localPort: 4000,
  remoteAddress: '127.0.0.1',
  remotePort: 50_000,
} as Socket

function partsFor(allowedUsers: string[], found: PeerLookup, more: Partial<PeerUserParts> = {}) {
  return {
    allowedUsers,
    proxyUsers: [],
    observers: { isObserver: () => false },
    users,
    ownUid: 1501,
    platform: 'linux',
    table: { find: () => Promise.resolve(found) },
    isConnected: () => true,
    onUnreadable: () => assert.fail('the table is readable'),
    ...more,
  } satisfies PeerUserParts
}

/** The client's id when it is let in, else the code and message of the refusal. */
async function decide(allowed: string[], found: PeerLookup, more: Partial<PeerUserParts> = {}) {
  const identity = await peerUserCheck(partsFor(allowed, found, more))!(socket)
  return identity.kind === 'known' ? identity.client.id : `${identity.error.code}: ${identity.error.message}`
}

const user = (uid: number): PeerLookup => ({ kind: 'found', uid })

suite('allowed users', () => {
  const served: [string[], number, string][] = [
    [['self'], 1501, 'user:owner'],
    [['self', 'mallory'], 1502, 'user:mallory'],
    [['mallory'], 1502, 'user:mallory'],
    [['self', '4242'], 4242, 'user:4242'],
    [['root'], 0, 'user:root'],
  ]
  for (const [allowed, uid, id] of served) {
    test(`${allowed.join(', ')}: uid ${uid} is served as ${id}`, async () => {
      assert.equal(await decide(allowed, user(uid)), id)
    })
  }

  const refused: [string[], number, RegExp][] = [
    [['self'], 1502, /^user_not_allowed: .*"mallory".*access\.allowed_users/],
    [['self'], 0, /"root"/],
    [['mallory'], 1501, /"owner"/],
    [['self'], 65_534, /"nobody".*PrivateUsers=/],
    [['self', 'mallory', 'root'], 4242, /"4242"/],
  ]
  for (const [allowed, uid, message] of refused) {
    test(`${allowed.join(', ')}: uid ${uid} is refused by name`, async () => {
      assert.match(await decide(allowed, user(uid)), message)
    })
  }

  test('a client that has left is refused, also where root is allowed', async () => {
    assert.match(await decide(['self', 'root'], { kind: 'absent' }), /^user_not_allowed: .*unknown/)
    const left = { localAddress: '127.0.0.1', localPort: 4000 } as Socket
    const identity = await peerUserCheck(partsFor(['self'], user(1501)))!(left)
    assert.equal(identity.kind, 'refused')
  })

  test('a refusal says whether the client has only left', async () => {
    const hasLeft = async (found: PeerLookup, more: Partial<PeerUserParts> = {}) => {
      const identity = await peerUserCheck(partsFor(['self'], found, more))!(socket)
      return identity.kind === 'refused' && identity.hasLeft
    }
    assert.equal(await hasLeft({ kind: 'absent' }), true)
    assert.equal(await hasLeft(user(1501), { isConnected: () => false }), true)
    assert.equal(await hasLeft(user(1502)), false)
    assert.equal(await hasLeft({ kind: 'ambiguous' }), false)
  })

  test('the user is not believed where the connection does not stand after the look-up', async () => {
    let hasLooked = false
    const table = {
      find: () => {
        hasLooked = true
        return Promise.resolve(user(1501))
      },
    }
    const isConnected = () => !hasLooked
    assert.match(
      await decide(['self'], user(1501), { table, isConnected }),
      /^user_not_allowed: .*disconnected/,
    )
    assert.match(await decide(['self'], user(1502), { isConnected: () => false }), /unknown.*disconnected/)
  })

  test('where Node can not ask whether it stands, everybody is refused and the cause is told', async () => {
    const causes: Error[] = []
    const onUnreadable = (told: Error) => void causes.push(told)
    const more = { onUnreadable, isConnected: () => undefined }
    assert.match(await decide(['self'], user(1501), more), /^user_not_allowed: /)
    assert.match(causes.join(), /Node\.js/)
  })

  test('a connection whose ends several users have is refused', async () => {
    assert.match(await decide(['self'], { kind: 'ambiguous' }), /^user_not_allowed: .*several users/)
  })

  test('where /proc can not be read, everybody is refused and the cause is told', async () => {
    const causes: Error[] = []
    const cause = new Error('EACCES')
    const onUnreadable = (told: Error) => void causes.push(told)
    const answer = await decide(['self'], { kind: 'unreadable', cause }, { onUnreadable })
    assert.match(answer, /^user_not_allowed: /)
    assert.deepEqual(causes, [cause])
  })

  test('`any` turns the check off, on every system', () => {
    assert.equal(peerUserCheck(partsFor(['any'], user(1))), undefined)
    assert.equal(peerUserCheck(partsFor(['any'], user(1), { platform: 'darwin' })), undefined)
  })
})

suite('a port that changes hands during the look-up', () => {
  /** A server whose look-ups find the owner, each when the test says so. */
  async function serveOwner(t: TestContext) {
    const lookUps: ((found: PeerLookup) => void)[] = []
    const targets: string[] = []
    const rejected: string[] = []
    const find = () => new Promise<PeerLookup>((resolve) => void lookUps.push(resolve))
    const identify = peerUserCheck({ ...partsFor(['self'], user(1501)), table: { find }, isConnected })!
    const server = createGatedServer(
      {
        onRequest: (request, response) => {
          targets.push(request.url ?? '')
          response.end('hello')
        },
        onRawSocket: (socket) => void socket.destroy(),
        onRejected: (client, error) => void rejected.push(`${client.id} ${error.code}`),
      },
      { identify, isLoopbackOnly: true, connections: new OpenConnections(httpLimits) },
      httpLimits,
    )
    const { acceptor, http } = server
    acceptor.listen(0, '127.0.0.1')
    await once(acceptor, 'listening')
    t.after(() => {
      acceptor.close()
      http.close().closeAllConnections()
    })
    const { port } = acceptor.address() as AddressInfo
    const lookUp = async (number: number) => {
      const turn = async () => {
        while (lookUps[number] === undefined) await new Promise((resolve) => setImmediate(resolve))
      }
      await soon(turn(), () => `look-up ${number}`)
      return lookUps[number]!
    }
    return { port, targets, rejected, lookUp }
  }

  test('brings no request of the one before in, and serves the next one', async (t) => {
    const { port, targets, rejected, lookUp } = await serveOwner(t)
    // An address of the test's own, on which no other program takes the port meanwhile.
    const from = { port, host: '127.0.0.1', localAddress: '127.61.18.4' }
    const first = connect(from)
    await once(first, 'connect')
    const { localPort } = first
    await new Promise((resolve) => first.write(rawRequest('GET /of-the-first', {}), resolve))
    const answerFirst = await lookUp(0)
    first.resetAndDestroy()
    const next = connect({ ...from, localPort: localPort! })
    t.after(() => next.destroy())
    const answers: Buffer[] = []
    next.on('data', (piece: Buffer) => void answers.push(piece))
    next.write(rawRequest('GET /of-the-next', { connection: 'close' }))
    const answerNext = await lookUp(1)

    answerFirst(user(1501))
    answerNext(user(1501))

    await soon(once(next, 'close'), () => 'the answer')
    assert.match(Buffer.concat(answers).toString(), /^HTTP\/1\.1 200 /)
    assert.deepEqual(targets, ['/of-the-next'])
    assert.deepEqual(rejected, ['unknown user_not_allowed'])
  })
})

suite('the gateway does not start', () => {
  const cases: [string, string[], Partial<PeerUserParts>, RegExp][] = [
    ['with a user that is none here', ['self', 'nosuch'], {}, /"nosuch"/],
    ['with the user that stands for all foreign ones', ['nobody'], {}, /65534/],
    ['as that user', ['self'], { ownUid: 65_534 }, /65534/],
    ['elsewhere than on Linux', ['self'], { platform: 'darwin' }, /unsupported on darwin.*\[any\]/],
  ]
  for (const [what, allowed, more, message] of cases) {
    test(what, () => {
      assert.throws(
        () => peerUserCheck(partsFor(allowed, user(1), more)),
        (error) => {
          assert.ok(error instanceof StartError)
          assert.match(error.message, /access\.allowed_users/)
          assert.match(error.message, message)
          return true
        },
      )
    })
  }
})

test('whoever can open the socket file is its owner, and a trusted proxy where any is trusted', async () => {
  const client = { id: 'user:owner' }
  for (const [proxyUsers, isTrustedProxy] of [
    [[], false],
    [['mallory'], true],
  ] as const) {
    const identity = await socketOwner({ proxyUsers, users, ownUid: 1501, isPrivateSocket: true })(socket)
    assert.deepEqual(identity, { kind: 'known', client, uid: 1501, isTrustedProxy, isPrivateSocket: true })
  }
})

suite('trusted proxies', () => {
  const proxyUsers = ['mallory', 'self']
  const stranger: Identity = { kind: 'known', client: { id: 'ip:127.0.0.1' }, isTrustedProxy: false }
  const open = (parts: Omit<PeerUserParts, 'allowedUsers'>) =>
    proxyUserCheck(parts, () => Promise.resolve(stranger))
  const isTrusted = (identity: Identity) => identity.kind === 'known' && identity.isTrustedProxy

  for (const [uid, trusted] of [
    [1501, true],
    [1502, true],
    [0, false],
  ] as const) {
    test(`uid ${uid} is ${trusted ? '' : 'not '}believed, whether users are told apart or not`, async () => {
      const parts = partsFor(['self', 'mallory', 'root'], user(uid), { proxyUsers })
      assert.equal(isTrusted(await peerUserCheck(parts)!(socket)), trusted)
      assert.deepEqual(await open(parts)(socket), { ...stranger, uid, isTrustedProxy: trusted })
    })
  }

  test('a proxy that the door does not let in is refused', async () => {
    const identity = await peerUserCheck(partsFor(['self'], user(1502), { proxyUsers }))!(socket)
    assert.equal(identity.kind, 'refused')
  })

  test('where everybody is served, an unknown user is served and not believed', async () => {
    assert.deepEqual(await open(partsFor(['any'], { kind: 'absent' }, { proxyUsers }))(socket), stranger)
    const causes: Error[] = []
    const cause = new Error('EACCES')
    const onUnreadable = (reported: Error) => void causes.push(reported)
    const parts = partsFor(['any'], { kind: 'unreadable', cause }, { proxyUsers, onUnreadable })
    assert.deepEqual(await open(parts)(socket), stranger)
    assert.deepEqual(causes, [cause])
  })

  test('nobody is looked up where no proxy is trusted', async () => {
    const find = () => assert.fail('there is no need')
    const parts = partsFor(['any'], user(1501), { table: { find }, platform: 'darwin' })
    assert.deepEqual(await open(parts)(socket), stranger)
  })

  for (const [what, more, message] of [
    ['with a user that does not exist here', { proxyUsers: ['nosuch'] }, /"nosuch"/],
    ['with the user that stands for all foreign ones', { proxyUsers: ['nobody'] }, /65534/],
    ['elsewhere than on Linux', { proxyUsers, platform: 'darwin' }, /unsupported on darwin/],
  ] as const) {
    test(`the gateway does not start ${what}`, () => {
      const refusal = (error: unknown) =>
        error instanceof StartError &&
        error.message.startsWith('server.trusted_proxies') &&
        message.test(error.message)
      assert.throws(() => open(partsFor(['any'], user(1), more)), refusal)
      if (!('platform' in more)) {
        assert.throws(() => peerUserCheck(partsFor(['self'], user(1), more)), refusal)
      }
    })
  }
})
