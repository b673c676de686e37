"""The operations, one module a tag. A handler is named like its operationId and its engine verb."""
