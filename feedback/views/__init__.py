"""Pages of insights, by what they are about; `readers` says who may open them."""
