// Why the model refuses something, in a line for its user.

export class Refused extends Error {}
