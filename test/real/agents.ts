// Coding agents of the npm registry: how each is pointed at a gateway and runs one task without a terminal.
import { join } from 'node:path'

import { stringify } from 'yaml'

import type { ToolCall } from './answering.ts'

/** What an agent is started with. */
export interface Task {
  /** `http://127.0.0.1:PORT/v1`. */
  readonly baseUrl: string
  readonly model: string
  readonly prompt: string
  /** The file that the prompt is about. */
  readonly file: string
  /** Its home, empty but for `files`. */
  readonly home: string
}

export interface Agent {
  readonly name: string
  readonly folder: string
  readonly package: string
  readonly program: string
  /** The format of its requests. */
  readonly format: 'chat' | 'messages' | 'responses'
  /** The tool of its own that reads the file. */
  readonly tool: (task: Task) => ToolCall
  /** The tool of its own that writes a text to the file. */
  readonly write?: (task: Task, text: string) => ToolCall
  /** Below its home. */
  readonly files?: (task: Task) => Readonly<Record<string, string>>
  /** Run before, one after the other. */
  readonly setUp?: (task: Task) => readonly (readonly string[])[]
  readonly args: (task: Task) => readonly string[]
  readonly env?: (task: Task) => Readonly<Record<string, string>>
  /** Requests that the gateway is to refuse on the way, by their code. */
  readonly refusals?: readonly string[]
}

const key = 'sk-of-the-client'

/** They look for proxies, updates and accounts otherwise. */
export const quietEnv: Readonly<Record<string, string>> = {
  CI: '1',
  DO_NOT_TRACK: '1',
  NO_COLOR: '1',
  TERM: 'dumb',
}

function codexConfig({ baseUrl, model }: Task): string {
  return `model = "${model}"
model_provider = "gateway"
[model_providers.gateway]
name = "gateway"
base_url = "${baseUrl}"
wire_api = "responses"
env_key = "GATEWAY_KEY"
`
}

const codex = {
  folder: 'codex',
  package: '@openai/codex',
  program: 'codex',
  format: 'responses',
  tool: ({ file }: Task) => ({ name: 'exec_command', arguments: { cmd: `cat ${file}` } }),
  write: ({ file }: Task, text: string) => ({
    name: 'exec_command',
    arguments: { cmd: `printf %s ${text} > ${file}` },
  }),
} as const
const codexExec = ['exec', '--skip-git-repo-check', '--dangerously-bypass-approvals-and-sandbox']

function opencode(name: string, npm: string): Agent {
  return {
    name: `opencode, ${npm}`,
    folder: 'opencode',
    package: 'opencode-ai',
    program: 'opencode',
    format: npm === '@ai-sdk/openai' ? 'responses' : 'chat',
    tool: ({ file }) => ({ name: 'read', arguments: { filePath: file } }),
    write: ({ file }, content) => ({ name: 'write', arguments: { filePath: file, content } }),
    files: ({ baseUrl, model }) => ({
      '.config/opencode/opencode.json': JSON.stringify({
        autoupdate: false,
        share: 'disabled',
        provider: {
          [name]: {
            npm,
            name,
            options: { baseURL: baseUrl, apiKey: key },
            models: { [model]: { name: model } },
          },
        },
      }),
    }),
    args: ({ model, prompt }) => ['run', '--model', `${name}/${model}`, prompt],
    env: () => ({ OPENCODE_DISABLE_MODELS_FETCH: '1', OPENCODE_DISABLE_AUTOUPDATE: '1' }),
  }
}

function pi(api: string): Agent {
  return {
    name: `pi, ${api}`,
    folder: 'pi',
    package: '@mariozechner/pi-coding-agent',
    program: 'pi',
    format: api === 'openai-responses' ? 'responses' : 'chat',
    tool: ({ file }) => ({ name: 'read', arguments: { path: file } }),
    files: ({ baseUrl, model }) => ({
      '.pi/agent/models.json': JSON.stringify({
        providers: { gateway: { baseUrl, api, apiKey: key, models: [{ id: model }] } },
      }),
    }),
    args: ({ model, prompt }) => ['--print', '--provider', 'gateway', '--model', model, prompt],
    env: () => ({ PI_OFFLINE: '1', PI_TELEMETRY: '0' }),
  }
}

function copilot(
  name: string,
  env: Readonly<Record<string, string>>,
  refusals: readonly string[] = [],
): Agent {
  return {
    name: `Copilot CLI, ${name}`,
    folder: 'copilot',
    package: '@github/copilot',
    program: 'copilot',
    format: 'COPILOT_PROVIDER_WIRE_API' in env ? 'responses' : 'chat',
    tool: ({ file }) => ({ name: 'view', arguments: { path: file } }),
    args: ({ prompt }) => ['--prompt', prompt, '--allow-all-tools', '--allow-all-paths'],
    env: ({ baseUrl, model }) => ({
      COPILOT_PROVIDER_BASE_URL: baseUrl,
      COPILOT_MODEL: model,
      COPILOT_OFFLINE: 'true',
      ...env,
    }),
    refusals,
  }
}

/** Its base URL has no `/v1`. */
const claudeCode: Agent = {
  name: 'Claude Code',
  folder: 'claude',
  package: '@anthropic-ai/claude-code',
  program: 'claude',
  format: 'messages',
  tool: ({ file }) => ({ name: 'Read', arguments: { file_path: file } }),
  write: ({ file }, content) => ({ name: 'Write', arguments: { file_path: file, content } }),
  args: ({ prompt }) => ['--print', '--permission-mode', 'acceptEdits', prompt],
  env: ({ baseUrl, model }) => ({
    ANTHROPIC_BASE_URL: baseUrl.slice(0, -'/v1'.length),
    ANTHROPIC_AUTH_TOKEN: 'none',
    ANTHROPIC_MODEL: model,
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
    // It would go on for three minutes.
    CLAUDE_CODE_MAX_RETRIES: '2',
    DISABLE_AUTOUPDATER: '1',
  }),
}

export const agents: readonly Agent[] = [
  claudeCode,
  {
    ...codex,
    name: 'Codex, a provider of its configuration',
    files: (task) => ({ '.codex/config.toml': codexConfig(task) }),
    args: ({ prompt }) => [...codexExec, prompt],
    env: () => ({ GATEWAY_KEY: key }),
  },
  {
    ...codex,
    name: 'Codex, its built-in provider, which tries a WebSocket first',
    args: ({ baseUrl, model, prompt }) => [
      ...codexExec,
      '-c',
      `openai_base_url="${baseUrl}"`,
      '--model',
      model,
      prompt,
    ],
    env: () => ({ CODEX_API_KEY: key, OPENAI_API_KEY: key }),
    refusals: ['websocket_not_supported'],
  },
  opencode('compatible', '@ai-sdk/openai-compatible'),
  opencode('openai-sdk', '@ai-sdk/openai'),
  {
    name: 'Qwen Code',
    folder: 'qwen',
    package: '@qwen-code/qwen-code',
    program: 'qwen',
    format: 'chat',
    tool: ({ file }) => ({ name: 'read_file', arguments: { file_path: file } }),
    write: ({ file }, content) => ({ name: 'write_file', arguments: { file_path: file, content } }),
    args: ({ prompt }) => ['--auth-type', 'openai', '--yolo', prompt],
    env: ({ baseUrl, model }) => ({ OPENAI_BASE_URL: baseUrl, OPENAI_API_KEY: key, OPENAI_MODEL: model }),
  },
  pi('openai-completions'),
  pi('openai-responses'),
  {
    name: 'Cline CLI',
    folder: 'cline',
    package: 'cline',
    program: 'cline',
    format: 'chat',
    tool: ({ file }) => ({ name: 'read_files', arguments: { files: [{ path: file }] } }),
    setUp: ({ baseUrl, model }) => [['auth', '-p', 'openai', '-k', key, '-m', model, '-b', baseUrl]],
    args: ({ prompt }) => [prompt],
  },
  {
    name: 'Continue CLI',
    folder: 'continue',
    package: '@continuedev/cli',
    program: 'cn',
    format: 'chat',
    tool: ({ file }) => ({ name: 'Read', arguments: { filepath: file } }),
    files: ({ baseUrl, model }) => ({
      'config.yaml': stringify({
        name: 'gateway',
        version: '1.0.0',
        schema: 'v1',
        models: [
          {
            name: model,
            provider: 'openai',
            model,
            apiBase: baseUrl,
            apiKey: key,
            roles: ['chat'],
            capabilities: ['tool_use'],
          },
        ],
      }),
    }),
    args: ({ home, prompt }) => ['--print', '--auto', '--config', join(home, 'config.yaml'), prompt],
    env: () => ({ CONTINUE_TELEMETRY_ENABLED: '0' }),
  },
  copilot('completions', {}),
  copilot('Responses', { COPILOT_PROVIDER_WIRE_API: 'responses' }),
  copilot(
    'Responses over a WebSocket first',
    { COPILOT_PROVIDER_WIRE_API: 'responses', COPILOT_PROVIDER_TRANSPORT: 'websockets' },
    ['websocket_not_supported'],
  ),
]
