import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { missing } from '../support/needs.ts'
import { noUserManager, startUserManager } from '../support/user-manager.ts'

const skip = noUserManager() || missing('npm', 'git', 'curl')

/** The first block of commands below the heading. */
function commandsBelow(heading: string): string[] {
  const readme = readFileSync(join(import.meta.dirname, '../../README.md'), 'utf8')
  const block = readme.slice(readme.indexOf(heading)).split('```sh\n')[1]?.split('```')[0] ?? ''
  return block.trim().split('\n')
}

test(
  'the README leads from a clone to a streamed answer in at most four commands',
  { skip, timeout: 180_000 },
  async (t) => {
    const commands = commandsBelow('## Run it as a service')
    assert.ok(commands.length > 1 && commands.length <= 4)
    const manager = await startUserManager(t)
    await manager.ok(
      `mkdir clone; cd llm-gateway
    git -c safe.directory='*' ls-files -z -co --exclude-standard | tar -c --null -T - | tar -x -C ../clone`,
    )
    const npm = await packagesAtHand(manager)
    let last = ''
    for (const command of commands) {
      const hasNetwork = command.startsWith('npm ')
      last = await manager.ok(`cd clone && ${command}`, hasNetwork ? { hasNetwork, env: npm } : {})
    }
    assert.match(last, /"content":"hello"[^]*data: \[DONE\]$/)
  },
)

/** What npm has downloaded before, so that it need not ask the network again. */
async function packagesAtHand(
  manager: Awaited<ReturnType<typeof startUserManager>>,
): Promise<Record<string, string>> {
  const cache = spawnSync('npm', ['config', 'get', 'cache'], { encoding: 'utf8' }).stdout.trim()
  await manager.ok(
    `cp -r '${cache}' ${manager.home}/.npm && chown -R gateway: ${manager.home}/.npm || true`,
    { isRoot: true },
  )
  return { npm_config_prefer_offline: 'true', npm_config_audit: 'false', npm_config_fund: 'false' }
}
