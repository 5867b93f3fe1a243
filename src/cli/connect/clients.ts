// The clients that `connect` knows. What each reads was tried with the client itself: docs/clients.md.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { editYaml, type YamlChange } from '../../config/edit-yaml.ts'
import { type Client, type Destination, type EditOutcome, type Home, keyVariable, noKey } from './client.ts'
import { codexSettings } from './codex-settings.ts'
import { withMembers } from './json-settings.ts'

/** Sorted by name. */
export const clients: readonly Client[] = [
  {
    name: 'aider',
    title: 'aider',
    programs: ['aider'],
    keyVariable: 'OPENAI_API_KEY',
    file: {
      path: ({ home }) => join(home, '.aider.conf.yml'),
      edit: (before, { url, model, needsKey }) =>
        yamlSettings(before, [
          { path: ['openai-api-base'], value: `${url}/v1` },
          { path: ['model'], value: `openai/${model}` },
          ...(needsKey ? [] : [{ path: ['openai-api-key'], value: noKey }]),
        ]),
    },
    start: () => 'aider',
  },
  {
    name: 'anthropic',
    title: "Anthropic's SDKs",
    programs: [],
    withoutFile: 'The SDKs have no settings file: they read these variables.',
    keyVariable: 'ANTHROPIC_API_KEY',
    variables: ({ url }) => ({ ANTHROPIC_BASE_URL: url, ANTHROPIC_API_KEY: noKey }),
  },
  {
    name: 'claude',
    title: 'Claude Code',
    programs: ['claude'],
    folders: ['.claude'],
    keyVariable: 'ANTHROPIC_AUTH_TOKEN',
    file: {
      path: ({ home, env }) => join(env['CLAUDE_CONFIG_DIR'] || join(home, '.claude'), 'settings.json'),
      edit: (before, to) => {
        const { ANTHROPIC_AUTH_TOKEN: token = noKey, ...env } = claudeVariables(to)
        return withMembers(before, {
          env: { ...env, ...(!to.needsKey && { ANTHROPIC_AUTH_TOKEN: token }) },
        })
      },
    },
    variables: claudeVariables,
    start: () => 'claude',
  },
  {
    name: 'codex',
    title: 'Codex',
    programs: ['codex'],
    folders: ['.codex'],
    keyVariable,
    file: {
      path: ({ home, env }) => join(env['CODEX_HOME'] || join(home, '.codex'), 'config.toml'),
      edit: codexSettings,
    },
    start: () => 'codex',
  },
  {
    name: 'continue',
    title: 'Continue',
    programs: ['cn'],
    folders: ['.continue'],
    keyVariable,
    file: { path: ({ home }) => join(home, '.continue', 'config.yaml'), edit: continueSettings },
    start: () => 'cn',
  },
  {
    name: 'copilot',
    title: 'Copilot CLI',
    programs: ['copilot'],
    withoutFile: 'Copilot CLI reads these variables, and has no settings for them.',
    keyVariable: 'COPILOT_PROVIDER_API_KEY',
    variables: ({ url, model }) => ({
      COPILOT_PROVIDER_BASE_URL: `${url}/v1`,
      COPILOT_MODEL: model,
      COPILOT_OFFLINE: 'true',
    }),
    start: () => 'copilot',
  },
  {
    name: 'ollama',
    title: "Ollama's programs",
    programs: ['ollama'],
    withoutFile: "Ollama's programs and libraries read this variable.",
    keyVariable: 'OLLAMA_API_KEY',
    variables: ({ url }) => ({ OLLAMA_HOST: url }),
    start: ({ model }) => `ollama run ${model}`,
  },
  {
    name: 'open-webui',
    title: 'Open WebUI',
    programs: ['open-webui'],
    withoutFile:
      'Open WebUI reads these variables at its first start; later it keeps its connections in its database: Admin Panel, Settings, Connections.',
    keyVariable: 'OPENAI_API_KEY',
    variables: ({ url }) => ({ OPENAI_API_BASE_URL: `${url}/v1`, OPENAI_API_KEY: noKey }),
    start: () => 'open-webui serve',
  },
  {
    name: 'openai',
    title: "OpenAI's SDKs",
    programs: [],
    withoutFile: 'The SDKs have no settings file: they read these variables.',
    keyVariable: 'OPENAI_API_KEY',
    variables: ({ url }) => ({ OPENAI_BASE_URL: `${url}/v1`, OPENAI_API_KEY: noKey }),
  },
  {
    name: 'opencode',
    title: 'opencode',
    programs: ['opencode'],
    keyVariable,
    file: {
      path: opencodeFile,
      edit: (before, { url, model, needsKey }) =>
        withMembers(before, {
          model: `gateway/${model}`,
          provider: {
            gateway: {
              npm: '@ai-sdk/openai-compatible',
              name: 'llm-gateway',
              options: { baseURL: `${url}/v1`, apiKey: needsKey ? `{env:${keyVariable}}` : noKey },
              models: { [model]: { name: model } },
            },
          },
        }),
    },
    start: () => 'opencode',
  },
  {
    name: 'pi',
    title: 'pi',
    programs: ['pi'],
    keyVariable,
    file: {
      path: ({ home }) => join(home, '.pi', 'agent', 'models.json'),
      edit: (before, { url, model, needsKey }) =>
        withMembers(before, {
          providers: {
            gateway: {
              baseUrl: `${url}/v1`,
              api: 'openai-completions',
              apiKey: needsKey ? keyVariable : noKey,
              models: [{ id: model }],
            },
          },
        }),
    },
    start: ({ model }) => `pi --provider gateway --model ${model}`,
  },
  {
    name: 'qwen',
    title: 'Qwen Code',
    programs: ['qwen'],
    withoutFile: 'Qwen Code reads these variables.',
    keyVariable: 'OPENAI_API_KEY',
    variables: ({ url, model }) => ({
      OPENAI_BASE_URL: `${url}/v1`,
      OPENAI_API_KEY: noKey,
      OPENAI_MODEL: model,
    }),
    start: () => 'qwen --auth-type openai',
  },
]

/** All of its models are one: the names of Anthropic's lead nowhere at a gateway without them. */
function claudeVariables({ url, model }: Destination): Readonly<Record<string, string>> {
  return {
    ANTHROPIC_BASE_URL: url,
    ANTHROPIC_AUTH_TOKEN: noKey,
    ANTHROPIC_MODEL: model,
    ANTHROPIC_DEFAULT_HAIKU_MODEL: model,
    ANTHROPIC_DEFAULT_OPUS_MODEL: model,
    ANTHROPIC_DEFAULT_SONNET_MODEL: model,
  }
}

function opencodeFile({ config }: Home): string {
  const folder = join(config, 'opencode')
  const found = ['opencode.json', 'opencode.jsonc'].map((name) => join(folder, name)).find(existsSync)
  return found ?? join(folder, 'opencode.json')
}

function continueSettings(before: string, { url, model, needsKey }: Destination): EditOutcome {
  const head: readonly YamlChange[] = [
    { path: ['name'], value: 'Local' },
    { path: ['version'], value: '1.0.0' },
    { path: ['schema'], value: 'v1' },
  ]
  const entry = {
    name: `${model} (llm-gateway)`,
    provider: 'openai',
    model,
    apiBase: `${url}/v1`,
    apiKey: needsKey ? `\${{ secrets.${keyVariable} }}` : noKey,
    roles: ['chat', 'edit', 'apply'],
    capabilities: ['tool_use'],
  }
  const isNew = before.trim() === ''
  return yamlSettings(before, [...(isNew ? head : []), { path: ['models'], value: entry, entryKey: 'name' }])
}

function yamlSettings(before: string, changes: readonly YamlChange[]): EditOutcome {
  const text = editYaml(before, changes)
  return text === undefined
    ? { kind: 'refused', reason: 'is not YAML of the expected shape, so it is left as it is' }
    : { kind: 'edited', text }
}
