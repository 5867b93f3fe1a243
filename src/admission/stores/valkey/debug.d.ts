// What is used of the package.
declare module 'debug' {
  const debug: { disable(): string }
  export default debug
}
