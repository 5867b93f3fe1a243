// A day of an operator, from the clone to the end, as a script: each command with the exit status and the words that count.
// First as a service of the user, then, from the same clone, as the system's.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { startMachine } from '../support/machine.ts'
import { missing } from '../support/needs.ts'
import { noUserManager, type RunOptions, streamCommand } from '../support/user-manager.ts'

const skip = noUserManager() || missing('npm', 'git', 'curl')

interface Step {
  readonly command: string
  readonly status?: number
  /** In what it prints, on either stream. */
  readonly says?: RegExp
  readonly options?: RunOptions
}

const config = '~/.config/llm-gateway/llm-gateway.yaml'
const sudo: RunOptions = { isRoot: true, env: { HOME: '/root', SUDO_USER: 'gateway', SUDO_UID: '1501' } }
const statusOf = `curl -s -o /dev/null -w '%{http_code}' --max-time 20 http://127.0.0.1:4000/v1/models`
const pageStatus = statusOf.replace('/v1/models', '/status')
const asStranger = `setpriv --reuid www-data --regid www-data --clear-groups`

/** The command of the incident guide in backquotes behind these words. */
function guide(words: string): string {
  const text = readFileSync(join(import.meta.dirname, '../../docs/security.md'), 'utf8')
  return text.slice(text.indexOf(words)).split('`')[1] ?? ''
}

/** Downloaded packages, so that npm need not ask the network again. */
const cache = spawnSync('npm', ['config', 'get', 'cache'], { encoding: 'utf8' }).stdout.trim()
const npm = { npm_config_prefer_offline: 'true', npm_config_audit: 'false', npm_config_fund: 'false' }

const userDay: readonly Step[] = [
  { command: 'npm ci', options: { hasNetwork: true, env: npm } },
  { command: 'bin/llm-gateway validate-config', says: /is valid: \d+ models/ },
  { command: 'bin/llm-gateway systemd status', status: 1, says: /units +missing/ },
  { command: 'bin/llm-gateway systemd install', says: /enabled +llm-gateway\.socket: the first call starts/ },
  { command: streamCommand(), says: /"content":"hello"[^]*DONE/ },
  { command: 'systemctl --user status llm-gateway', says: /Status: "serving \d+ models/ },
  { command: 'bin/llm-gateway systemd status', says: /service +active \(running\)/ },
  { command: 'bin/llm-gateway doctor --no-calls', says: /ok +service: units/ },
  { command: 'npm ci', options: { hasNetwork: true, env: npm } },
  { command: streamCommand(), says: /DONE/ },

  // A key.
  {
    command: 'bin/llm-gateway credential set openai',
    options: { input: 'sk-test' },
    says: /Stored openai_api_key .*\n.*add\n {2}openai: \{/,
  },
  {
    command: `sed -i 's|^  # openai: .*|  openai: { base_url: "https://api.openai.com/v1", api_key: { credential: openai_api_key } }|' ${config}`,
  },
  { command: 'systemctl --user reload llm-gateway', status: 1 },
  {
    command: 'systemctl --user status llm-gateway',
    says: /reload refused: .*the secret from credential openai_api_key|reload refused: .*openai_api_key/,
  },
  { command: 'bin/llm-gateway systemd restart', says: /The service has restarted: serving/ },
  { command: 'systemctl --user reload llm-gateway' },
  { command: 'bin/llm-gateway credential list', says: /^openai_api_key .*for openai/m },

  // A typo.
  { command: `echo 'servers: {}' >>${config}` },
  { command: 'bin/llm-gateway validate-config', status: 1, says: /:\d+:1 servers: .*did you mean/i },
  { command: 'systemctl --user reload llm-gateway', status: 1 },
  { command: 'bin/llm-gateway systemd restart', status: 1, says: /servers: [^]*was not restarted/ },
  { command: streamCommand(), says: /DONE/ },
  { command: 'systemctl --user restart llm-gateway', status: 1 },
  { command: statusOf, says: /^503$/ },
  { command: 'systemctl --user is-active llm-gateway.socket', says: /^active$/m },
  { command: 'bin/llm-gateway doctor --no-calls', status: 1, says: /fail +config/ },
  { command: `sed -i '/^servers:/d' ${config}` },
  { command: 'bin/llm-gateway systemd restart', says: /has restarted/ },
  { command: streamCommand(), says: /DONE/ },

  // An incident.
  { command: guide('Stop the gateway:') },
  { command: statusOf, status: 7 },
  { command: guide('To serve again:') },
  { command: statusOf, says: /^200$/ },
  {
    command: 'bin/llm-gateway credential rotate openai',
    options: { input: 'sk-next' },
    says: /has restarted/,
  },
  { command: 'bin/llm-gateway credential remove openai', says: /^Removed openai_api_key/ },
  { command: `sed -i '/^  openai:/d' ${config}` },

  // The check of every week, and the end.
  { command: 'bin/llm-gateway systemd install --doctor-timer', says: /enabled +llm-gateway-doctor\.timer/ },
  { command: 'systemctl --user start llm-gateway-doctor' },
  { command: 'bin/llm-gateway systemd uninstall', says: /Kept: .*llm-gateway\.yaml/ },
  { command: 'bin/llm-gateway systemd uninstall', says: /has no units/ },
  { command: statusOf, status: 7 },
  { command: `systemctl --user list-units --all --plain --no-legend 'llm-gateway*' | wc -l`, says: /^0$/m },
]

const systemDay: readonly Step[] = [
  { command: 'bin/llm-gateway systemd install --system', status: 1, says: /as root \(sudo\)/ },
  {
    command: 'bin/llm-gateway systemd install --system --doctor-timer',
    options: sudo,
    says: /\/usr\/local\/lib\/llm-gateway\/ \(the program\)[^]*enabled +llm-gateway\.socket/,
  },
  { command: 'find . -user root', says: /^$/ },
  { command: streamCommand(), says: /DONE/ },
  { command: `${asStranger} ${statusOf}`, options: sudo, says: /^403$/ },
  { command: pageStatus, says: /^200$/ },
  { command: `${asStranger} ${pageStatus}`, options: sudo, says: /^403$/ },
  { command: 'bin/llm-gateway doctor --system --no-calls', options: sudo, says: /0 failures/ },
  { command: 'systemctl start llm-gateway-doctor', options: sudo },
  { command: 'bin/llm-gateway systemd status --system', options: sudo, says: /service +active \(running\)/ },
  {
    command: 'bin/llm-gateway credential set ollama --system',
    options: { ...sudo, input: 'sk-test' },
    says: /Stored ollama_api_key/,
  },
  { command: 'bin/llm-gateway systemd restart --system', options: sudo, says: /has restarted: serving/ },
  { command: 'systemctl reload llm-gateway', options: sudo },
  { command: 'bin/llm-gateway doctor --system --no-calls', options: sudo, says: /0 failures/ },
  { command: "echo 'servers: {}' >>/etc/llm-gateway/llm-gateway.yaml", options: sudo },
  { command: 'systemctl reload llm-gateway', options: sudo, status: 1 },
  { command: 'systemctl restart llm-gateway', options: sudo, status: 1 },
  { command: statusOf, says: /^503$/ },
  { command: "sed -i '/^servers:/d' /etc/llm-gateway/llm-gateway.yaml", options: sudo },
  { command: 'bin/llm-gateway systemd restart --system', options: sudo, says: /has restarted: serving/ },
  { command: 'bin/llm-gateway systemd uninstall --system', options: sudo, says: /Kept: \/etc\/llm-gateway/ },
  { command: 'ls /usr/local/lib/llm-gateway /etc/systemd/system/llm-gateway*', options: sudo, status: 2 },
  { command: statusOf, status: 7 },
]

test("an operator's day, from the clone to the uninstall", { skip, timeout: 480_000 }, async (t) => {
  const machine = await startMachine(t)
  await machine.ok(
    `mkdir clone; cd llm-gateway
    git -c safe.directory='*' ls-files -z -co --exclude-standard | tar -c --null -T - | tar -x -C ../clone`,
  )
  await machine.ok(`cp -r '${cache}' .npm && chown -R gateway: .npm || true`, { isRoot: true })
  for (const { command, status = 0, says = /(?:)/, options } of [...userDay, ...systemDay]) {
    await t.test(command, async () => {
      const { stdout, stderr, ...ended } = await machine.sh(`cd clone && ${command}`, options)
      assert.equal(ended.status, status, stdout + stderr)
      assert.match(stdout + stderr, says)
    })
  }
})
